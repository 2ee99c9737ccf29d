package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sluice-metrics/sluice/runtime"
)

// Fleet returns every instance that the one asked has heard of.
func (c *Client) Fleet(ctx context.Context) (runtime.FleetStatus, error) {
	return get[runtime.FleetStatus](ctx, c, "/fleet", nil)
}

// Audit lists what was done, the newest first. The query is that of the operation:
// since, who, operation, target.
func (c *Client) Audit(ctx context.Context, query url.Values) ([]runtime.AuditEntry, error) {
	return all[runtime.AuditEntry](ctx, c, "/audit", query)
}

// Overrides lists what holds in the fleet besides the policies.
func (c *Client) Overrides(ctx context.Context) ([]runtime.Override, error) {
	return all[runtime.Override](ctx, c, "/overrides", nil)
}

// SetOverride sets one for a length such as 1h30m; see runtime.OverrideRequest.
func (c *Client) SetOverride(ctx context.Context, kind, target, length, reason string, unseen bool) (o runtime.Override, err error) {
	body := map[string]any{"kind": kind, "target": target, "for": length, "reason": reason, "unseen": unseen}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/overrides", Body: body}, &o)
	return o, err
}

// EndOverride ends one, and returns what holds after that.
func (c *Client) EndOverride(ctx context.Context, id string) ([]runtime.Override, error) {
	var page runtime.Page[runtime.Override]
	_, err := c.Do(ctx, Request{Method: http.MethodDelete, Path: Path("overrides", id)}, &page)
	return page.Items, err
}

// Tasks lists the tasks that the instance knows. The query is that of the
// operation: match, team, off.
func (c *Client) Tasks(ctx context.Context, query url.Values) ([]runtime.TaskInfo, error) {
	return all[runtime.TaskInfo](ctx, c, "/tasks", query)
}

// Task returns one task by id or job name.
func (c *Client) Task(ctx context.Context, id string) (runtime.TaskInfo, error) {
	return get[runtime.TaskInfo](ctx, c, Path("tasks", id), nil)
}

// EnableTask switches a task off for a length such as 1h30m, or on again.
func (c *Client) EnableTask(ctx context.Context, id string, on bool, length, reason string, unseen bool) (t runtime.TaskInfo, err error) {
	body := map[string]any{"enabled": on, "reason": reason}
	if !on {
		body["for"], body["unseen"] = length, unseen
	}
	_, err = c.Do(ctx, Request{Method: http.MethodPut, Path: Path("tasks", id, "enabled"), Body: body}, &t)
	return t, err
}
