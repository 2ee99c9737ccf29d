package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

// get reads the answer to a GET.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (answer T, err error) {
	_, err = c.Do(ctx, Request{Path: path, Query: query}, &answer)
	return answer, err
}

// all reads a list to its end, part by part.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	asked := url.Values{"limit": {"1000"}}
	for name, values := range query {
		asked[name] = values
	}
	var out []T
	for {
		page, err := get[runtime.Page[T]](ctx, c, path, asked)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" {
			return out, nil
		}
		if asked.Get("after") == page.Next {
			return nil, fmt.Errorf("%w: the list %s of %s does not go on", runtime.ErrUnreachable, path, c.URL())
		}
		asked.Set("after", page.Next)
	}
}

// Status returns what the instance does.
func (c *Client) Status(ctx context.Context) (runtime.Status, error) {
	return get[runtime.Status](ctx, c, "/status", nil)
}

// Degrade returns what the instance gives up under overload.
func (c *Client) Degrade(ctx context.Context) (runtime.DegradeStatus, error) {
	return get[runtime.DegradeStatus](ctx, c, "/degrade", nil)
}

// SetDegrade sets the step of degradation by hand; see runtime.Runtime.Degrade.
// length is a duration such as 1h30m.
func (c *Client) SetDegrade(ctx context.Context, step, length, reason string) (s runtime.DegradeStatus, err error) {
	body := map[string]string{"step": step, "for": length, "reason": reason}
	_, err = c.Do(ctx, Request{Method: http.MethodPut, Path: "/degrade", Body: body}, &s)
	return s, err
}

// EndDegrade ends a step that was set by hand.
func (c *Client) EndDegrade(ctx context.Context) (s runtime.DegradeStatus, err error) {
	_, err = c.Do(ctx, Request{Method: http.MethodDelete, Path: "/degrade"}, &s)
	return s, err
}

// Explain asks what becomes of a series. What is wrong with the question is a
// *explain.QuestionError. Traffic cannot be asked about.
func (c *Client) Explain(ctx context.Context, q explain.Question) (answer runtime.Answer, err error) {
	r := Request{Path: "/explain", Query: url.Values{}}
	for name, value := range map[string]string{"series": q.Series, "rule": q.Rule, "why-not": q.WhyNot, "kind": q.Kind, "origin": q.Origin} {
		if value != "" {
			r.Query.Set(name, value)
		}
	}
	if q.Record != nil {
		r.Method, r.Body = http.MethodPost, q.Record
	}
	_, err = c.Do(ctx, r, &answer)
	if p := (*Problem)(nil); errors.As(err, &p) && p.Field != "" {
		bad := &explain.QuestionError{Field: p.Field, Offset: -1, Message: p.Detail, Hint: p.Hint}
		if p.Offset != nil {
			bad.Offset = *p.Offset
		}
		return answer, bad
	}
	return answer, err
}

// Bundle returns the policy set in force, as runtime.PolicySource has it.
func (c *Client) Bundle(ctx context.Context) ([]byte, error) {
	return get[json.RawMessage](ctx, c, "/policies/bundle", nil)
}

// Rollout returns the canary and the shadow.
func (c *Client) Rollout(ctx context.Context) (runtime.RolloutStatus, error) {
	return get[runtime.RolloutStatus](ctx, c, "/policies/rollout", nil)
}

// Canary lets a policy set govern a part of what comes in; see runtime.Runtime.Canary.
func (c *Client) Canary(ctx context.Context, q runtime.CanaryRequest) (s runtime.CanaryStatus, err error) {
	body := map[string]any{"files": q.Files, "plugins": q.Plugins, "share": q.Share, "partitions": q.Partitions, "steps": q.Steps, "reason": q.Reason}
	if q.Every > 0 {
		body["every"] = q.Every.String()
	}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/policies/canary", Body: body, IfMatch: tagged(q.Base), Patience: changePatience}, &s)
	return s, err
}

// PromoteCanary puts the set of the canary in force. Base is the tag that the canary
// must have, "" for any.
func (c *Client) PromoteCanary(ctx context.Context, base, reason string) (s runtime.CanaryStatus, err error) {
	body := map[string]string{"reason": reason}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/policies/canary/promote", Body: body, IfMatch: tagged(base), Patience: changePatience}, &s)
	return s, err
}

// AbortCanary gives what the canary governs back to the set in force. Base is as for
// PromoteCanary.
func (c *Client) AbortCanary(ctx context.Context, base, reason string) (s runtime.CanaryStatus, err error) {
	body := map[string]string{"reason": reason}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/policies/canary/abort", Body: body, IfMatch: tagged(base)}, &s)
	return s, err
}

// tagged is a tag as headers have it, "" for none.
func tagged(base string) string {
	if base == "" {
		return ""
	}
	return `"` + base + `"`
}

// Shadow lets a policy set decide beside the one in force; see runtime.Runtime.Shadow.
func (c *Client) Shadow(ctx context.Context, q runtime.ShadowRequest) (s runtime.ShadowStatus, err error) {
	body := map[string]any{"files": q.Files, "plugins": q.Plugins, "reason": q.Reason}
	if q.For > 0 {
		body["for"] = q.For.String()
	}
	_, err = c.Do(ctx, Request{Method: http.MethodPost, Path: "/policies/shadow", Body: body, Patience: changePatience}, &s)
	return s, err
}

// EndShadow ends the shadow that runs.
func (c *Client) EndShadow(ctx context.Context) (s runtime.ShadowStatus, err error) {
	_, err = c.Do(ctx, Request{Method: http.MethodDelete, Path: "/policies/shadow"}, &s)
	return s, err
}

// Traffic returns the series of the time until now, as a file of traffic. It must
// be closed.
func (c *Client) Traffic(ctx context.Context, since time.Duration) (io.ReadCloser, error) {
	query := url.Values{"since": {fmt.Sprintf("%dms", since.Milliseconds())}}
	return c.Stream(ctx, Request{Path: "/traffic", Query: query})
}

// ShortID returns what a short identifier in a label stands for.
func (c *Client) ShortID(ctx context.Context, id string) (string, error) {
	answer, err := get[struct{ Value string }](ctx, c, "/short-ids"+Path(id), nil)
	return answer.Value, err
}
