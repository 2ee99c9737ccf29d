package rest

import (
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

func statusOperations() []operation {
	return []operation{{
		id: "getStatus", method: http.MethodGet, path: "/status", role: runtime.RoleViewer,
		summary: "What the instance does at this moment",
		about:   "Its revision, whether it is ready, and the ledger of each stream and sink.",
		answer:  runtime.Status{},
		handle:  func(c *call) (any, error) { return c.runtime.Status(), nil },
	}, {
		id: "getShortID", method: http.MethodGet, path: "/short-ids/{id}", role: runtime.RoleViewer,
		summary: "What a short identifier in a label stands for",
		params:  []param{{name: "id", in: inPath, kind: text, about: "Identifier, as it stands in the label.", example: "1b9e7c2a"}},
		answer:  shortID{},
		handle: func(c *call) (any, error) {
			value, ok := c.runtime.ShortID(c.text("id"))
			if !ok {
				return nil, missing("this instance has given out no such identifier")
			}
			return shortID{c.text("id"), value}, nil
		},
	}}
}

// shortID is an entry of the dictionary.
type shortID struct {
	ID    string `json:"id"`    // identifier in the label
	Value string `json:"value"` // what the label said before
}
