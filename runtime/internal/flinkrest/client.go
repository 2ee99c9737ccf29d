// Package flinkrest is a client of the REST API that a Flink JobManager serves:
// the calls that say how jobs, checkpoints and task managers are, with answers
// as Go values. It tolerates what versions 1.14 to 2.x do differently, and bounds
// what it reads. It does not know what is made of the answers; retrying, pacing
// and which addresses may be called are the caller's.
package flinkrest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// MaxAnswer is how many bytes an answer may have. The details of a job with a
// thousand vertices have about a megabyte.
const MaxAnswer = 16 << 20

// Options describe one JobManager.
type Options struct {
	// URL is where its REST API is, such as http://jobmanager:8081; a path in it
	// is kept, as behind a proxy.
	URL string

	// HTTP makes the calls; its timeout bounds each.
	HTTP *http.Client

	// Token, when set, gives the bearer token of each call.
	Token func() (string, error)
}

// Client calls one JobManager. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	http  *http.Client
	token func() (string, error)
}

// New makes a client without connecting. The error says what is wrong with the URL.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address of a JobManager: %w", err)
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, fmt.Errorf("address of a JobManager: %q is not http://host:port or https://host:port", base.Redacted())
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, fmt.Errorf("address of a JobManager: %q has more than scheme, host and path", base.Redacted())
	}
	return &Client{base: base, http: o.HTTP, token: o.Token}, nil
}

// Name is the address of the JobManager without scheme: host, port and path.
func (c *Client) Name() string { return strings.TrimSuffix(c.base.Host+c.base.Path, "/") }

// StatusError is an answer that is not 200.
type StatusError struct {
	Path    string
	Status  int
	Message string // what the JobManager says, a line at most
}

func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("%s: answer %d %s", e.Path, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s: answer %d %s: %s", e.Path, e.Status, http.StatusText(e.Status), e.Message)
}

// AnswerError is an answer that cannot be read: no JSON, cut off, too large.
type AnswerError struct {
	Path string
	Err  error
}

func (e *AnswerError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns what is wrong with the answer.
func (e *AnswerError) Unwrap() error { return e.Err }

// ErrTooLarge is an answer of more than MaxAnswer bytes.
var ErrTooLarge = fmt.Errorf("the answer has more than %d bytes", MaxAnswer)

// IsNotFound reports whether the JobManager does not know what was asked for: a
// job that is gone, checkpoints of a job that takes none.
func IsNotFound(err error) bool {
	status := (*StatusError)(nil)
	return errors.As(err, &status) && status.Status == http.StatusNotFound
}

// get calls a path and decodes the answer into a value.
func (c *Client) get(ctx context.Context, into any, query string, path ...string) error {
	escaped := make([]string, len(path))
	for i, p := range path {
		escaped[i] = url.PathEscape(p)
	}
	u := c.base.JoinPath(escaped...)
	u.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if c.token != nil {
		token, err := c.token()
		if err != nil {
			return fmt.Errorf("token of the JobManager: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return withoutQuery(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return &StatusError{Path: u.Path, Status: resp.StatusCode, Message: messageOf(body)}
	case err != nil:
		return &AnswerError{u.Path, err}
	case len(body) > MaxAnswer:
		return &AnswerError{u.Path, ErrTooLarge}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &AnswerError{u.Path, err}
	}
	return nil
}

// withoutQuery shortens the address in the error of a call: a query names
// thousands of metrics.
func withoutQuery(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		u.URL, _, _ = strings.Cut(u.URL, "?")
	}
	return err
}

// messageOf finds the first line that an error answer has for people.
func messageOf(body []byte) string {
	var answer struct{ Errors []string }
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	for _, text := range answer.Errors {
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		if line != "" {
			const most = 200
			return strings.ToValidUTF8(line[:min(len(line), most)], "")
		}
	}
	return ""
}
