package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// changePatience is how long an instance may take over policies that it is handed:
// they are evaluated, and the fleet may be waited for.
const changePatience = 2 * time.Minute

// Policies tells of the policy set in force.
func (c *Client) Policies(ctx context.Context) (runtime.PolicyStatus, error) {
	return get[runtime.PolicyStatus](ctx, c, "/policies", nil)
}

// Apply puts a policy set in force; see runtime.Runtime.Apply.
func (c *Client) Apply(ctx context.Context, req runtime.ApplyRequest) (out runtime.ApplyResult, err error) {
	r := Request{Method: http.MethodPost, Path: "/policies/apply", Body: req, IfMatch: tagged(req.Base), Patience: changePatience}
	_, err = c.Do(ctx, r, &out)
	return out, err
}

// Rollback puts a revision of the history in force again; see runtime.Runtime.Rollback.
// With fleet, it waits until every instance runs it.
func (c *Client) Rollback(ctx context.Context, revision, reason string, fleet bool) (out runtime.ApplyResult, err error) {
	body := map[string]any{"revision": revision, "reason": reason, "fleet": fleet}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/policies/rollback", Body: body, Patience: changePatience}, &out)
	return out, err
}

// Reload has the instance look at its source now and returns what is in force then.
func (c *Client) Reload(ctx context.Context) (revision string, err error) {
	var out struct{ Revision string }
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/reload", Body: map[string]string{}, Patience: changePatience}, &out)
	return out.Revision, err
}

// History returns the revisions that were pushed, the newest first.
func (c *Client) History(ctx context.Context) ([]runtime.HistoryEntry, error) {
	return all[runtime.HistoryEntry](ctx, c, "/policies/history", nil)
}

// Diff says how two revisions differ; "" is the one in force.
func (c *Client) Diff(ctx context.Context, from, to string) ([]runtime.RuleChange, error) {
	answer, err := get[struct{ Rules []runtime.RuleChange }](ctx, c, "/policies/diff", url.Values{"from": {from}, "to": {to}})
	return answer.Rules, err
}

// Validate says whether a policy set could be put in force; see runtime.Runtime.Validate.
func (c *Client) Validate(ctx context.Context, files, plugins map[string]string) (out runtime.Validation, err error) {
	body := map[string]any{"files": files}
	if len(plugins) > 0 {
		body["plugins"] = plugins
	}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/policies/validate", Body: body, Patience: changePatience}, &out)
	return out, err
}

// Plan asks what a policy set would do to the traffic of the instance; see
// runtime.Runtime.Plan.
func (c *Client) Plan(ctx context.Context, q runtime.PlanRequest) (*runtime.Plan, error) {
	body := map[string]any{"files": q.Files}
	if len(q.Plugins) > 0 {
		body["plugins"] = q.Plugins
	}
	if q.Since > 0 {
		body["since"] = q.Since.String()
	}
	for name, gate := range map[string]*float64{"max_dropped": q.MaxDropped, "max_new_series": q.MaxNewSeries} {
		if gate != nil {
			body[name] = *gate
		}
	}
	var out runtime.Plan
	if _, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/policies/plan", Body: body, Patience: changePatience}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
