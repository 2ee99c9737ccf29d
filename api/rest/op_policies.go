package rest

import (
	"encoding/json"
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

func policyOperations() []operation {
	return []operation{{
		id: "getBundle", method: http.MethodGet, path: "/policies/bundle", role: runtime.RoleViewer,
		summary: "The policy set in force, compiled",
		about:   "It is what sluice plan compares with. Its form is no contract: only the same version reads it.",
		answer:  json.RawMessage{},
		handle: func(c *call) (any, error) {
			text, err := c.runtime.Bundle()
			if err != nil {
				return nil, err
			}
			return &document{plain: text, cache: "no-cache"}, nil
		},
	}}
}
