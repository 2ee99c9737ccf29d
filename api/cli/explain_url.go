package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// askInstance asks a running instance.
func (x *explaining) askInstance(ctx context.Context) (runtime.Answer, error) {
	var answer runtime.Answer
	at, err := url.Parse(x.url)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return answer, environment(fmt.Errorf("--url is %q; want the address of an instance, such as http://127.0.0.1:7070", x.url))
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := x.request(ctx, at)
	if err != nil {
		return answer, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer, environment(fmt.Errorf("no instance answers at %s: %w", x.url, causeOf(err)))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answer, refusal(resp, x.url)
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return answer, environment(fmt.Errorf("the instance at %s answers something else than an explanation: %w", x.url, err))
	}
	return answer, nil
}

// request asks by GET for what fits into an address, and by POST with a record.
func (x *explaining) request(ctx context.Context, at *url.URL) (*http.Request, error) {
	q, query := &x.question, url.Values{}
	for name, value := range map[string]string{"series": q.Series, "rule": q.Rule, "why-not": q.WhyNot, "kind": q.Kind, "origin": q.Origin} {
		if value != "" {
			query.Set(name, value)
		}
	}
	to := at.JoinPath("/api/v1/explain")
	to.RawQuery = query.Encode()
	method := http.MethodGet
	if q.Record != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(q.Record))
	if err != nil {
		return nil, environment(err)
	}
	if q.Record != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if x.token != "" {
		token, err := runtime.Secret(x.token)
		if err != nil {
			return nil, environment(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// refusal makes an error of an answer that is none.
func refusal(resp *http.Response, from string) error {
	var p struct {
		Detail string `json:"detail"`
		Field  string `json:"field"`
		Offset *int   `json:"offset"`
		Hint   string `json:"hint"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Detail == "" {
		return environment(fmt.Errorf("the instance at %s answers %s", from, resp.Status))
	}
	if p.Field != "" {
		bad := &runtime.QuestionError{Field: p.Field, Offset: -1, Message: p.Detail, Hint: p.Hint}
		if p.Offset != nil {
			bad.Offset = *p.Offset
		}
		return bad
	}
	return environment(errors.New(strings.TrimSpace("the instance at " + from + " answers: " + p.Detail)))
}
