// Package egress is the one way out: the HTTP client, and what dials for the rest, for
// every call that goes to an address from a policy, an API request or a setting of a
// source. It refuses addresses inside the network it runs in unless the operator
// allowed them. It knows nothing of what is sent, retries nothing and resolves no secrets.
package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Policy is what the operator allows. It comes from the configuration of the
// instance, never from a policy set.
type Policy struct {
	// Allow are the addresses that may be called although they are not public.
	Allow []netip.Prefix

	// Timeout bounds one call from dialling to the last byte of the answer,
	// 0: 30 seconds.
	Timeout time.Duration

	// TLS is what servers are checked against, nil: the roots of the host.
	// TLS 1.2 is the least that is spoken, whatever it says.
	TLS *tls.Config
}

const (
	defaultTimeout   = 30 * time.Second
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 90 * time.Second
)

// New returns a client that speaks http and https only, checks the address that
// a name resolved to when it connects (so that an answer of the name server
// cannot change between check and use), follows no redirect (the caller sees the
// 3xx response), uses no proxy of the environment and sets a deadline. Refusals
// unwrap to *DeniedError.
func New(p Policy) *http.Client {
	conf := &tls.Config{}
	if p.TLS != nil {
		conf = p.TLS.Clone()
	}
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	timeout := p.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return &http.Client{
		Timeout: timeout,
		Transport: guard{&http.Transport{
			DialContext:         Dialer(p).DialContext,
			TLSClientConfig:     conf,
			TLSHandshakeTimeout: handshakeTimeout,
			IdleConnTimeout:     idleTimeout,
			MaxIdleConnsPerHost: 16, // one per partition worker that shares a sink
			ForceAttemptHTTP2:   true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Dialer returns what connects for calls that are not HTTP, with the same check of
// the address that a name resolved to. Timeout and TLS of the policy are the caller's.
func Dialer(p Policy) *net.Dialer {
	return &net.Dialer{
		Timeout: dialTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return p.check(address)
		},
	}
}

// guard refuses what is not http or https before anything else looks at it.
type guard struct{ *http.Transport }

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("scheme %q is not allowed, write http:// or https://", r.URL.Scheme)
	}
	return g.Transport.RoundTrip(r)
}

// check judges the address of a connection that is about to be made.
func (p Policy) check(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.New("the address of the connection cannot be read")
	}
	return p.Check(ap.Addr())
}

// Check returns a *DeniedError when the policy forbids a call to addr.
func (p Policy) Check(addr netip.Addr) error {
	addr = target(addr)
	class := classify(addr)
	if class == "" {
		return nil
	}
	for _, a := range p.Allow {
		if a.Contains(addr) {
			return nil
		}
	}
	return &DeniedError{Addr: addr, Class: class}
}

// DeniedError says which address was refused and what kind of address it is.
type DeniedError struct {
	Addr  netip.Addr
	Class string // such as "loopback" or "private"
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s is a %s address; to allow it, the operator adds %s to --egress-allow (egressAllow in sluice.cue)",
		e.Addr, e.Class, netip.PrefixFrom(e.Addr, e.Addr.BitLen()))
}
