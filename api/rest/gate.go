package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/runtime"
)

// gate tells who asks, and refuses who cannot say. Without a token, a file of
// tokens and client certificates, whoever reaches the address may do everything.
type gate struct {
	token   string        // reference; "": none
	keyring *auth.Keyring // nil: no file
	issuer  *auth.Issuer  // nil: none
	open    bool

	log      *slog.Logger
	count    func(reason string) // of who was not let in
	failures auth.Failures       // attempts
	others   auth.Failures       // who was not let in without one: only the log is bounded
	denials  *denials
	behind   bool // something that encrypts: all come from its address, so no address is bounded
}

// newGate refuses an address that others can reach where nobody would be checked,
// or where tokens would cross the network for all to read.
func newGate(r *runtime.Runtime, o *Options, loopback bool, refused *denials) (*gate, error) {
	if err := o.guarded(loopback); err != nil {
		return nil, err
	}
	g := &gate{
		token: o.Token, log: o.Log, count: r.CountRefused, open: o.open(),
		behind: o.TLS != nil && o.TLS.Elsewhere, denials: refused,
	}
	if o.Tokens != "" {
		keyring, err := auth.Open(o.Tokens, o.Log)
		if err != nil {
			return nil, fmt.Errorf("--tokens: %w", err)
		}
		g.keyring = keyring
	}
	if o.OIDC != nil {
		client, err := r.Egress(issuerTime)
		if err != nil {
			return nil, err
		}
		if g.issuer, err = auth.NewIssuer(*o.OIDC, client, o.Log); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// open reports whether nobody is asked who they are.
func (o *Options) open() bool { return o.Token == "" && o.Tokens == "" && o.OIDC == nil }

// guarded refuses what would let others in, or send their tokens in the clear.
func (o *Options) guarded(loopback bool) error {
	var tls runtime.ListenTLS
	if o.TLS != nil {
		tls = *o.TLS
	}
	switch {
	case tls.ClientCA != "" && (o.Tokens == "" || tls.Cert == ""):
		return errors.New("--listen-client-ca needs --listen-cert and --listen-key, and --tokens, which says what role a certificate has")
	case !loopback && o.open():
		return fmt.Errorf("%s can be reached from other machines, and nothing would check who asks: "+
			"give --tokens FILE (see 'sluice token'), --oidc-issuer or --listen-token env://NAME, or listen on 127.0.0.1", o.Listen)
	case !loopback && tls.Cert == "" && !tls.Elsewhere:
		return fmt.Errorf("%s can be reached from other machines, and tokens would cross the network in the clear: "+
			"give --listen-cert and --listen-key, or --listen-insecure where something in front of it encrypts", o.Listen)
	}
	return nil
}

// issuerTime bounds one call of an issuer: who asks waits for it.
const issuerTime = 5 * time.Second

// unguarded are the paths that a probe may ask without a token: they tell nothing.
var unguarded = map[string]bool{"/healthz": true, "/readyz": true}

// check lets in who may ask for anything at all.
func (g *gate) check(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if unguarded[c.Request().URL.Path] && !g.open {
			return next(c)
		}
		if wait := g.wait(c.Request()); wait > 0 {
			g.count("too-many-failures")
			c.Response().Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			return refuse(http.StatusTooManyRequests, "too-many-failures", fmt.Sprintf("%d requests from this address within a minute had a wrong token; wait", auth.MaxFailures))
		}
		actor, byToken, err := g.who(c.Request())
		if err != nil {
			return g.refuse(c, actor, err)
		}
		setActor(c, actor)
		if byToken {
			c.Set(bearerKey, true)
		}
		return next(c)
	}
}

// errNoToken says that a request says nothing of who sends it.
var errNoToken = errors.New("a bearer token is needed")

// who tells who sends a request, and whether a token says so.
func (g *gate) who(req *http.Request) (a runtime.Actor, byToken bool, err error) {
	if g.open {
		return runtime.Actor{Name: "local", Role: runtime.RoleAdmin}, false, nil
	}
	if header := req.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return a, false, errNoToken
		}
		a, err = g.bearer(req.Context(), secret)
		return a, true, err
	}
	if req.TLS != nil && len(req.TLS.VerifiedChains) > 0 && g.keyring != nil {
		a, err = g.keyring.Certificate(namesOf(req.TLS.VerifiedChains[0][0]))
		return a, false, err
	}
	return a, false, errNoToken
}

// bearer tells whose token it is. The reference is resolved for each request, so a
// changed token holds at once; comparing takes the same time wherever two differ.
func (g *gate) bearer(ctx context.Context, secret string) (runtime.Actor, error) {
	if g.token != "" {
		want, err := runtime.Secret(g.token)
		if err != nil {
			return runtime.Actor{}, fmt.Errorf("%w: %w", auth.ErrNoFile, err)
		}
		a, b := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(want))
		if subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
			return runtime.Actor{Name: "listen-token", Role: runtime.RoleAdmin}, nil
		}
	}
	if g.issuer != nil && auth.IsJWT(secret) {
		return g.issuer.Bearer(ctx, secret, time.Now())
	}
	if g.keyring != nil {
		return g.keyring.Bearer(secret, time.Now())
	}
	return runtime.Actor{}, auth.ErrUnknown
}

// namesOf lists what a certificate may be known by.
func namesOf(c *x509.Certificate) []string {
	names := append([]string{c.Subject.CommonName}, c.DNSNames...)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}

// wait returns how long who sends a request is not listened to.
func (g *gate) wait(req *http.Request) time.Duration {
	if g.open || g.behind {
		return 0
	}
	return g.failures.Wait(sender(req), time.Now())
}

func sender(req *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(req.RemoteAddr) // of something else: no address
	return from.Addr()
}

// outcomes say how who was not let in is answered; the first that matches holds.
var outcomes = []struct {
	err    error
	status int
	code   string
	detail string
	guess  bool // it was an attempt: those of an address are bounded
}{
	{auth.ErrIssuer, http.StatusServiceUnavailable, "issuer-away", "the issuer of the token cannot be asked for its keys; a token of the file is taken meanwhile", false},
	{auth.ErrNoRole, http.StatusForbidden, "no-role", "the token is right, and its claims give no role here", false},
	{auth.ErrExpired, http.StatusUnauthorized, "token-expired", "the bearer token has expired", true},
	{auth.ErrUnknown, http.StatusUnauthorized, "token-unknown", "the bearer token, or the certificate, is not known", true},
	{errNoToken, http.StatusUnauthorized, "no-token", "a bearer token is needed", false},
}

// refuse answers who was not let in. One who is known and has no role is in the audit.
func (g *gate) refuse(c echo.Context, actor runtime.Actor, err error) error {
	for _, o := range outcomes {
		if !errors.Is(err, o.err) {
			continue
		}
		g.count(o.code)
		req, seen, level := c.Request(), &g.others, slog.LevelInfo
		if o.guess {
			seen, level = &g.failures, slog.LevelWarn
		}
		if seen.Add(sender(req), time.Now()) {
			g.log.Log(req.Context(), level, "a request was not let in; more from there within a minute are only counted", "from", req.RemoteAddr, "reason", o.code)
		}
		if !actor.Itself() {
			actor.Address = req.RemoteAddr
			g.denials.record(req.Context(), runtime.AuditEntry{Actor: actor, Operation: "signIn", Target: req.Method + " " + req.URL.Path, Error: o.code + ": " + o.detail})
		}
		if o.status == http.StatusUnauthorized {
			c.Response().Header().Set("WWW-Authenticate", "Bearer")
		}
		return refuse(o.status, o.code, o.detail)
	}
	return echo.NewHTTPError(http.StatusServiceUnavailable, "the tokens to compare with cannot be read").SetInternal(err)
}
