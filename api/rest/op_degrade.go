package rest

import (
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

// degradeBody asks for a step by hand.
type degradeBody struct {
	Step   string `json:"step"`   // P0 (give nothing up), P1, P2 or P3
	For    string `json:"for"`    // how long, from 1s to 7d, such as 1h30m
	Reason string `json:"reason"` // why, in 3 to 500 characters
}

func degradeOperations() []operation {
	return []operation{{
		id: "getDegrade", method: http.MethodGet, path: "/degrade", role: runtime.RoleViewer,
		summary: "What the instance gives up under overload, and why",
		answer:  runtime.DegradeStatus{},
		handle:  func(c *call) (any, error) { return c.runtime.DegradeStatus(), nil },
	}, {
		id: "setDegrade", method: http.MethodPut, path: "/degrade", role: runtime.RoleOperator, changes: true,
		summary: "Set the step of degradation by hand, for a time",
		about:   "Afterwards the measures decide again. The answer is the status after it.",
		body:    degradeBody{Step: "P2", For: "30m", Reason: "the store is being moved"},
		answer:  runtime.DegradeStatus{},
		handle:  setDegrade,
	}, {
		id: "endDegrade", method: http.MethodDelete, path: "/degrade", role: runtime.RoleOperator, changes: true,
		summary: "End a step of degradation that was set by hand",
		about:   "The answer is the status after it. Without such a step nothing changes.",
		answer:  runtime.DegradeStatus{},
		handle:  func(c *call) (any, error) { return c.runtime.AutoDegrade(c.ctx, c.actor) },
	}}
}

func setDegrade(c *call) (any, error) {
	body := bodyOf[degradeBody](c)
	c.target, c.reason = "step "+body.Step, body.Reason
	length, err := runtime.ParseDuration(body.For)
	if err != nil {
		return nil, wrong(`for: %q is not a duration such as "30m" or "1h30m"`, body.For)
	}
	return c.runtime.Degrade(c.ctx, c.actor, body.Step, length, body.Reason)
}
