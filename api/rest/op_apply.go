package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Bounds of a request with policies: files as JSON, and the time to evaluate them
// and to wait for the fleet.
const (
	maxFilesBody   = 24 << 20
	evaluationTime = 90 * time.Second
)

// rollbackBody says where to go back to.
type rollbackBody struct {
	Revision string `json:"revision"` // a digest of the history, or 6 digits of it or more; "": the one before the present one
	Reason   string `json:"reason"`   // why, for the history
	Fleet    bool   `json:"fleet"`    // the answer waits until every instance that is heard of runs it
}

// reloadBody asks for a reload.
type reloadBody struct {
	Reason string `json:"reason"` // why, for the audit; may be empty
}

// reloadAnswer is what a reload came to.
type reloadAnswer struct {
	Revision string            `json:"revision"`           // in force now
	Findings []diag.Diagnostic `json:"findings,omitempty"` // warnings
}

// diffAnswer says how two revisions differ.
type diffAnswer struct {
	Rules []runtime.RuleChange `json:"rules"` // those that are not the same in both
}

func applyOperations() []operation {
	match := param{name: "If-Match", in: inHeader, kind: texts, about: "The ETag of the policies that must be in force, as getPolicies gives it; * is any.", example: "*"}
	return []operation{{
		id: "getPolicies", method: http.MethodGet, path: "/policies", role: runtime.RoleViewer,
		summary: "The policy set in force: revision, origin, whether it has shown that it is good",
		about:   "It also says what the source has that does not run, and why. The ETag is the revision.",
		answer:  runtime.PolicyStatus{},
		handle: func(c *call) (any, error) {
			p := c.runtime.PolicyStatus()
			return &document{value: p, tag: p.Revision, cache: "no-cache"}, nil
		},
	}, {
		id: "applyPolicies", method: http.MethodPost, path: "/policies/apply", role: runtime.RoleOperator, changes: true,
		summary: "Put a policy set in force, here and in the whole fleet",
		about: "The files are evaluated, tested and pushed to the control topic. The answer comes when every worker of this " +
			"instance runs them. With If-Match the change is refused (412) when other policies are in force; so it is with a plan.",
		params:  []param{match},
		body:    runtime.ApplyRequest{Files: map[string]string{"teams/pay/policy.cue": "package policies\n"}, Reason: "less of the same"},
		maxBody: maxFilesBody, time: evaluationTime,
		answer: runtime.ApplyResult{}, handle: applyPolicies,
	}, {
		id: "rollBackPolicies", method: http.MethodPost, path: "/policies/rollback", role: runtime.RoleOperator, changes: true,
		summary: "Put a revision of the history in force again, here and in the whole fleet",
		body:    rollbackBody{Reason: "alerts are silent"}, time: evaluationTime,
		answer: runtime.ApplyResult{},
		handle: func(c *call) (any, error) {
			body := bodyOf[rollbackBody](c)
			c.target, c.reason = body.Revision, body.Reason
			out, err := c.runtime.Rollback(c.ctx, c.actor, body.Revision, body.Reason)
			return awaitFleet(c, out, err, body.Fleet)
		},
	}, {
		id: "reload", method: http.MethodPost, path: "/reload", role: runtime.RoleOperator, changes: true, whole: true,
		summary: "Look at the source of policies now, and put in force what it has",
		about:   "A set that was rolled back is tried again.",
		body:    reloadBody{Reason: "the repository was mended"}, time: evaluationTime,
		answer: reloadAnswer{},
		handle: func(c *call) (any, error) {
			c.reason = bodyOf[reloadBody](c).Reason
			report, err := c.runtime.Reload(c.ctx)
			if err == nil && report.Refused() {
				err = &runtime.RejectedError{Report: report}
			}
			if err != nil {
				return nil, policyProblem(err)
			}
			c.after = report.Revision
			return reloadAnswer{report.Revision, report.Findings}, nil
		},
	}}
}

// historyOperations are about the revisions that were pushed.
func historyOperations() []operation {
	digest := `"0123abcd": a digest of the history, or 6 digits of it or more`
	return []operation{{
		id: "getHistory", method: http.MethodGet, path: "/policies/history", role: runtime.RoleViewer,
		summary: "The revisions that were pushed, the newest first",
		params:  pageParams(), answer: runtime.Page[runtime.HistoryEntry]{},
		handle: func(c *call) (any, error) {
			const digits = 10 // newest first, which is backwards by number
			return pageOf(c, c.runtime.History(), func(e runtime.HistoryEntry) string {
				n := strconv.Itoa(1_000_000_000 - e.Number)
				return strings.Repeat("0", max(0, digits-len(n))) + n
			})
		},
	}, {
		id: "diffPolicies", method: http.MethodGet, path: "/policies/diff", role: runtime.RoleViewer,
		summary: "How two revisions of the history differ, rule by rule",
		params: []param{
			{name: "from", in: inQuery, kind: text, about: "The one before, as " + digest + "; without it the one in force.", example: "0123abcd"},
			{name: "to", in: inQuery, kind: text, about: "The one after; without it the one in force.", example: "0123abcd"},
		},
		answer: diffAnswer{},
		handle: func(c *call) (any, error) {
			rules, err := c.runtime.Diff(c.text("from"), c.text("to"))
			if err != nil {
				return nil, policyProblem(err)
			}
			return diffAnswer{rules}, nil
		},
	}}
}

func applyPolicies(c *call) (any, error) {
	req := bodyOf[runtime.ApplyRequest](c)
	c.reason = req.Reason
	req.Base = c.match()
	out, err := c.runtime.Apply(c.ctx, c.actor, req)
	return awaitFleet(c, out, err, req.Fleet)
}

// match is the tag of If-Match, "" for any.
func (c *call) match() (base string) {
	for _, tag := range c.texts("If-Match") {
		if tag != "*" {
			base = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
		}
	}
	return base
}

// awaitFleet adds which instances do not run a change that was made.
func awaitFleet(c *call, out runtime.ApplyResult, err error, fleet bool) (any, error) {
	if err != nil {
		return nil, policyProblem(err)
	}
	c.before, c.after = out.Before, out.Revision
	if fleet {
		out.Behind = c.runtime.AwaitFleet(c.ctx, out.Revision)
	}
	return out, nil
}

// policyProblem adds to an error what is wrong with the policies.
func policyProblem(err error) error {
	if wrong := (*runtime.RejectedError)(nil); errors.As(err, &wrong) {
		return refuse(http.StatusUnprocessableEntity, "policies-rejected", "the policy set is wrong").with(wrong.Report.Findings)
	}
	return err
}
