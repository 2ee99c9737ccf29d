package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	recentFor   = 5 * time.Second
	maxDocument = 1 << 20 // bytes
	maxAsked    = 8       // addresses; an issuer has two
)

// recent asks an issuer for a document once in recentFor at most, and answers with
// what came: whoever makes up keys or comes while the issuer is away would else have
// it asked for each request. Errors wrap ErrIssuer.
type recent struct {
	next http.RoundTripper // nil: the default one
	now  func() time.Time

	mu   sync.Mutex // never held over a call
	seen map[string]answer
}

type answer struct {
	at     time.Time
	header http.Header
	body   []byte
	err    error
}

// RoundTrip answers a GET with what the issuer says, or said a moment ago. Who asks for
// the same while a call is under way makes another one; an Issuer does not.
func (r *recent) RoundTrip(req *http.Request) (*http.Response, error) {
	key := req.URL.String()
	got, ok := r.remembered(key)
	if !ok {
		got = r.ask(req)
		r.remember(key, got)
	}
	if got.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIssuer, got.err)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: got.header.Clone(), Body: io.NopCloser(bytes.NewReader(got.body)), ContentLength: int64(len(got.body)), Request: req,
	}, nil
}

func (r *recent) remembered(key string) (answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got, ok := r.seen[key]
	return got, ok && r.now().Sub(got.at) < recentFor
}

func (r *recent) remember(key string, got answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) >= maxAsked {
		clear(r.seen)
	}
	got.at = r.now()
	r.seen[key] = got
}

func (r *recent) ask(req *http.Request) (a answer) {
	next := r.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return answer{err: err}
	case resp.StatusCode != http.StatusOK:
		return answer{err: fmt.Errorf("it answers %s", resp.Status)}
	case len(body) > maxDocument || !json.Valid(body):
		return answer{err: errors.New("it answers no JSON, or too much")}
	}
	return answer{header: resp.Header, body: body}
}
