package rest

import (
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

// canaryBody asks for a canary, or gives the one that runs another part.
type canaryBody struct {
	Files      map[string]string `json:"files,omitempty"`      // text by path, such as teams/pay/keep.cue; without them, the canary that runs is given another part
	Plugins    map[string]string `json:"plugins,omitempty"`    // digest by path, such as plugins/mask.wasm, of those that the files name by path; they must be stored
	Share      float64           `json:"share,omitempty"`      // of the tasks, above 0 and at most 1; a larger share keeps the tasks of a smaller one
	Partitions []int32           `json:"partitions,omitempty"` // of every input topic, instead of a share
	Steps      []float64         `json:"steps,omitempty"`      // shares that follow, each larger; 1 puts the set in force
	Every      string            `json:"every,omitempty"`      // between steps, from 10s to 24h, while the canary keeps the bounds of the probation
	Reason     string            `json:"reason,omitempty"`     // why, in 3 to 500 characters; needed with files
}

// shadowBody asks for a shadow.
type shadowBody struct {
	Files   map[string]string `json:"files"`             // text by path, such as teams/pay/keep.cue
	Plugins map[string]string `json:"plugins,omitempty"` // digest by path, such as plugins/mask.wasm, of those that the files name by path; they must be stored
	For     string            `json:"for,omitempty"`     // how long to go on comparing, from 1s to 24h; without it, every live series once
	Reason  string            `json:"reason"`            // why, in 3 to 500 characters
}

// endBody ends a canary, one way or the other.
type endBody struct {
	Reason string `json:"reason,omitempty"` // why, where there is something to say
}

func rolloutOperations() []operation {
	files := map[string]string{"policy.cue": "package policies\n"}
	match := []param{{name: "If-Match", in: inHeader, kind: texts, about: "The tag that the canary must have, as getRollout gives it; * is any.", example: "*"}}
	return []operation{{
		id: "getRollout", method: http.MethodGet, path: "/policies/rollout", role: runtime.RoleViewer,
		summary: "The canary and the shadow that run, or ended last, and how they do",
		about:   "The tag is another one after each change of the canary, wherever in the fleet it was made.",
		answer:  runtime.RolloutStatus{},
		handle:  func(c *call) (any, error) { return c.runtime.Rollout(), nil },
	}, {
		id: "setCanary", method: http.MethodPost, path: "/policies/canary", role: runtime.RoleOperator, changes: true,
		maxBody: maxFilesBody, time: evaluationTime,
		summary: "Let a policy set govern a share of the tasks, or partitions, beside the one in force",
		params:  match,
		about: "The tasks of a share are the same whenever it is asked for, in every instance. With steps the share grows by itself, " +
			"until the set is in force. Of two changes at once, here or in other instances, one is refused (412). A canary that leaves a bound of the probation is aborted, unless the operator has switched that off.",
		body:   canaryBody{Files: files, Share: 0.05, Reason: "fewer operator metrics"},
		answer: runtime.CanaryStatus{},
		handle: setCanary,
	}, {
		id: "promoteCanary", method: http.MethodPost, path: "/policies/canary/promote", role: runtime.RoleOperator, changes: true,
		summary: "Put the set of the canary in force",
		params:  match, body: endBody{Reason: "a day without complaints"},
		answer: runtime.CanaryStatus{},
		handle: func(c *call) (any, error) {
			c.target, c.reason = "canary", bodyOf[endBody](c).Reason
			s, err := c.runtime.PromoteCanary(c.ctx, c.actor, c.match())
			c.before, c.after = s.Base, s.Revision
			return s, err
		},
	}, {
		id: "abortCanary", method: http.MethodPost, path: "/policies/canary/abort", role: runtime.RoleOperator, changes: true,
		summary: "Give what the canary governs back to the set in force",
		params:  match, body: endBody{Reason: "the pay team misses a metric"},
		answer: runtime.CanaryStatus{},
		handle: func(c *call) (any, error) {
			c.target, c.reason = "canary", bodyOf[endBody](c).Reason
			return c.runtime.AbortCanary(c.ctx, c.actor, c.match(), c.reason)
		},
	}, {
		id: "startShadow", method: http.MethodPost, path: "/policies/shadow", role: runtime.RoleAuthor, changes: true,
		maxBody: maxFilesBody, time: evaluationTime,
		summary: "Let a policy set decide about every live series beside the one in force, with nothing sent",
		about:   "What it would do otherwise is counted; getRollout tells. A shadow that runs already ends.",
		body:    shadowBody{Files: files, For: "10m", Reason: "what would fewer metrics save?"},
		answer:  runtime.ShadowStatus{},
		handle:  startShadow,
	}, {
		id: "endShadow", method: http.MethodDelete, path: "/policies/shadow", role: runtime.RoleAuthor, changes: true,
		summary: "End the shadow that runs",
		answer:  runtime.ShadowStatus{},
		handle: func(c *call) (any, error) {
			c.target = "shadow"
			return c.runtime.EndShadow(c.actor)
		},
	}}
}

func setCanary(c *call) (any, error) {
	body := bodyOf[canaryBody](c)
	c.target, c.reason = "canary", body.Reason
	every, err := optionalDuration("every", body.Every)
	if err != nil {
		return nil, err
	}
	s, report, err := c.runtime.Canary(c.ctx, c.actor, runtime.CanaryRequest{
		Candidate: runtime.Candidate{Files: body.Files, Plugins: body.Plugins, Reason: body.Reason},
		Share:     body.Share, Partitions: body.Partitions, Steps: body.Steps, Every: every,
		Base: c.match(),
	})
	return taken(s, report, err)
}

func startShadow(c *call) (any, error) {
	body := bodyOf[shadowBody](c)
	c.target, c.reason = "shadow", body.Reason
	length, err := optionalDuration("for", body.For)
	if err != nil {
		return nil, err
	}
	s, report, err := c.runtime.Shadow(c.ctx, c.actor, runtime.ShadowRequest{
		Candidate: runtime.Candidate{Files: body.Files, Plugins: body.Plugins, Reason: body.Reason}, For: length,
	})
	return taken(s, report, err)
}

// taken answers with a status, or with what is wrong with the set.
func taken[T any](status T, report runtime.Report, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if report.Refused() {
		return nil, policyProblem(&runtime.RejectedError{Report: report})
	}
	return status, nil
}
