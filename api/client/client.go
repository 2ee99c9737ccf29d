// Package client asks an instance over its REST API, in the types of package
// runtime. It knows addresses, tokens and what a refusal looks like; it does not
// know what the answers are for, and prints nothing.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// DefaultURL is where an instance listens that nobody told otherwise.
const DefaultURL = "http://127.0.0.1:7070"

// Options say which instance is asked, and as whom.
type Options struct {
	URL   string // http:// or https://, host and port; without a scheme http. "": DefaultURL
	Token string // reference to the bearer token, such as env://NAME; "": none
	CA    string // file of the certificates to trust besides those of the system, PEM; "": none
	Cert  string // file of the client certificate, PEM; "": none
	Key   string // file of its key
}

// Client asks one instance. Its methods may be called from any goroutine. Their
// errors are a *Problem, or wrap runtime.ErrUnreachable when there is no answer
// that can be read, or runtime.ErrConfig when the token cannot be.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// Bounds of a request.
const (
	// Patience is how long an answer may take unless the request says otherwise.
	Patience = 30 * time.Second

	connectTime = 10 * time.Second
	maxAnswer   = 256 << 20 // bytes of a JSON answer: a bundle may have as many
	maxProblem  = 8 << 20   // bytes of a problem: a policy set may have many findings
	prefix      = "/api/v1"
)

// New returns a client. It connects when it is asked to; the error wraps
// runtime.ErrConfig: an address or a file that is wrong.
func New(o Options) (*Client, error) {
	address := o.URL
	if address == "" {
		address = DefaultURL
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil || base.RawQuery != "" {
		return nil, fmt.Errorf("%w: --url is %q; want the address of an instance, such as %s", runtime.ErrConfig, redacted(address), DefaultURL)
	}
	secured, err := o.tls()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrConfig, err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, transport.TLSHandshakeTimeout = secured, connectTime
	return &Client{base: base, token: o.Token, http: &http.Client{
		Transport: transport,
		// A token is for the instance that was named, not for where it points to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// redacted takes away what may be a password.
func redacted(address string) string {
	if before, after, found := strings.Cut(address, "@"); found {
		scheme, _, _ := strings.Cut(before, "://")
		return scheme + "://…@" + after
	}
	return address
}

func (o *Options) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, err
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in PEM", o.CA)
		}
	}
	if o.Cert != "" || o.Key != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// URL is the address of the instance.
func (c *Client) URL() string { return strings.TrimRight(c.base.String(), "/") }

// Close lets go of connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one call of an operation.
type Request struct {
	Method string     // "": GET
	Path   string     // behind /api/v1; what it carries is escaped by Path
	Query  url.Values // parameters
	Body   any        // encoded as JSON; a []byte is sent as it is. Nil: none

	IfMatch  string        // tag that the thing to change must have; "": whatever it has
	Patience time.Duration // for the answer; 0: Patience. For Stream: until it begins
}

// Path joins parts to the path of a request: each is escaped.
func Path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// Do sends a request and reads the answer into a value (nil: the answer is not
// read). It returns the tag of what was answered, "" for none.
func (c *Client) Do(ctx context.Context, r Request, into any) (tag string, err error) {
	patience := r.Patience
	if patience == 0 {
		patience = Patience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := c.send(ctx, r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if into != nil && resp.StatusCode != http.StatusNoContent {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return "", fmt.Errorf("%w: the instance at %s answers something else than %s gives: %w", runtime.ErrUnreachable, c.URL(), prefix+r.Path, err)
		}
	}
	return resp.Header.Get("ETag"), nil
}

// Stream sends a request and returns the answer while it comes. It ends with ctx,
// and must be closed.
func (c *Client) Stream(ctx context.Context, r Request) (io.ReadCloser, error) {
	patience := r.Patience
	if patience == 0 {
		patience = Patience
	}
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(patience, cancel)
	resp, err := c.send(ctx, r)
	if !late.Stop() {
		if err == nil {
			resp.Body.Close()
		}
		err = c.silent(context.DeadlineExceeded)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &stream{resp.Body, cancel}, nil
}

type stream struct {
	io.ReadCloser
	end context.CancelFunc
}

// Close ends the answer.
func (s *stream) Close() error {
	defer s.end()
	return s.ReadCloser.Close()
}

// send returns an answer that is no problem; the caller closes its body.
func (c *Client) send(ctx context.Context, r Request) (*http.Response, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.silent(err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.problem(resp, r)
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	switch b := r.Body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	to := c.URL() + prefix + r.Path
	if len(r.Query) > 0 {
		to += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, fmt.Errorf("%w: --url %s: %w", runtime.ErrConfig, c.URL(), err)
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.IfMatch != "" {
		req.Header.Set("If-Match", r.IfMatch)
	}
	if c.token != "" {
		token, err := runtime.Secret(c.token)
		if err != nil {
			return nil, fmt.Errorf("%w: --token: %w", runtime.ErrConfig, err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// silent says that no answer came.
func (c *Client) silent(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // what the URL is, the message says
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: the instance at %s did not answer in time", runtime.ErrUnreachable, c.URL())
	}
	return &silence{c.URL(), err}
}

// silence is that nobody answers at an address.
type silence struct {
	url string
	err error
}

func (s *silence) Error() string {
	do := "start one, or say where it is with --url"
	switch {
	case errors.As(s.err, new(*tls.CertificateVerificationError)):
		do = "if it is the right one, give the certificates to trust with --ca"
	case errors.Is(s.err, http.ErrSchemeMismatch):
		do = "if it has no certificate, ask it by http://"
	}
	return fmt.Sprintf("no instance answers at %s: %s; %s", s.url, s.err, do)
}

func (s *silence) Unwrap() []error { return []error{runtime.ErrUnreachable, s.err} }

// problem reads why a request was refused.
func (c *Client) problem(resp *http.Response, r Request) error {
	p := &Problem{url: c.URL()}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil || media != "application/problem+json" || json.Unmarshal(text, p) != nil {
		*p = Problem{url: p.url, stranger: fmt.Sprintf("to %s it says %q", prefix+r.Path, resp.Status)}
		if bytes.Contains(text, []byte("to an HTTPS server")) { // package http's own words
			p.stranger = "it wants https://"
		}
	}
	p.Status = resp.StatusCode
	return p
}
