package rest

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

// openAPI is the OpenAPI 3.1 document of the operations. TestDocument makes it.
//
//go:embed openapi.json
var openAPI []byte

// Document returns the OpenAPI 3.1 document of all operations, as JSON.
func Document() []byte { return openAPI }

func documentOperations() []operation {
	return []operation{{
		id: "getDocument", method: http.MethodGet, path: "/openapi.json", role: runtime.RoleViewer,
		summary: "This document",
		answer:  json.RawMessage{},
		handle:  func(*call) (any, error) { return &document{plain: Document(), cache: "no-cache"}, nil },
	}}
}
