package rest

import (
	"encoding/json"
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

// filesBody is a policy set.
type filesBody struct {
	Files   map[string]string `json:"files"`             // text by path, such as teams/pay/keep.cue
	Plugins map[string]string `json:"plugins,omitempty"` // digest by path, such as plugins/mask.wasm, of those that the files name by path; they must be stored
}

// planBody asks what a policy set would do.
type planBody struct {
	Files        map[string]string `json:"files"`                    // text by path, such as teams/pay/keep.cue
	Plugins      map[string]string `json:"plugins,omitempty"`        // digest by path, such as plugins/mask.wasm, of those that the files name by path; they must be stored
	Since        string            `json:"since,omitempty"`          // how much traffic, until now: from 1s to 1h; without it 10m
	MaxDropped   *float64          `json:"max_dropped,omitempty"`    // gate: share of the samples going on that may be lost, such as 0.05
	MaxNewSeries *float64          `json:"max_new_series,omitempty"` // gate: share by which series may be new
}

func policyOperations() []operation {
	files := map[string]string{"policy.cue": "package policies\n"}
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
	}, {
		id: "validatePolicies", method: http.MethodPost, path: "/policies/validate", role: runtime.RoleAuthor,
		maxBody: maxFilesBody, time: evaluationTime,
		summary: "Find every mistake in a policy set; nothing changes",
		about:   "It is evaluated and tested as it would be to put it in force, in the environment of this instance.",
		body:    filesBody{Files: files},
		answer:  runtime.Validation{},
		handle: func(c *call) (any, error) {
			return c.runtime.Validate(c.ctx, c.actor, bodyOf[filesBody](c).Files, bodyOf[filesBody](c).Plugins)
		},
	}, {
		id: "planPolicies", method: http.MethodPost, path: "/policies/plan", role: runtime.RoleAuthor,
		maxBody: maxFilesBody, time: evaluationTime,
		summary: "Show what a policy set would do to the traffic of this instance; nothing changes",
		about: "It is compared with the set in force, over the series that came of late. An apply may be bound to the plan " +
			"by its digest and both revisions.",
		body:   planBody{Files: files, Since: "10m"},
		answer: runtime.Plan{},
		handle: planPolicies,
	}}
}

func planPolicies(c *call) (any, error) {
	body := bodyOf[planBody](c)
	since, err := optionalDuration("since", body.Since)
	if err != nil {
		return nil, err
	}
	p, err := c.runtime.Plan(c.ctx, runtime.PlanRequest{
		Files: body.Files, Plugins: body.Plugins, Since: since, MaxDropped: body.MaxDropped, MaxNewSeries: body.MaxNewSeries,
	})
	if err != nil {
		return nil, policyProblem(err)
	}
	return p, nil
}
