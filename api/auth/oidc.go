package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/sluice-metrics/sluice/runtime"
)

// What an issuer's token may come to, beside ErrUnknown and ErrExpired.
var (
	ErrNoRole = errors.New("the claims of the token give no role here")
	ErrIssuer = errors.New("the issuer of the token cannot be asked for its keys")
)

// algorithms are those that a token may be signed with: none that needs a secret,
// for whoever can check such a token could make one.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

const (
	maxJWT   = 16 << 10 // bytes
	maxClaim = 255      // bytes of a name
)

// IsJWT reports whether a token has the form of an issuer's: none of the file has a dot.
func IsJWT(secret string) bool { return strings.Count(secret, ".") == 2 }

// Issuer lets in by JSON web tokens of an OpenID Connect issuer. It asks the issuer
// for its keys when the first token comes, and again for a key that it does not
// know. It may be used by any goroutine.
type Issuer struct {
	conf   runtime.OIDC
	grants []grant
	client *http.Client
	log    *slog.Logger

	mu     sync.Mutex  // of what follows; never held over a call
	keys   oidc.KeySet // nil: the issuer has not said yet where they are
	asking *discovery  // that is under way; nil: none
	away   bool        // the last call of the issuer failed
}

// discovery is a call of the issuer for where its keys are. Whoever needs them
// meanwhile waits for it.
type discovery struct {
	done chan struct{} // closed when the rest is set
	keys oidc.KeySet
	err  error
}

// grant gives a role to who has a value in a claim.
type grant struct {
	value string
	role  runtime.Role
	teams []string
}

// NewIssuer checks the configuration. The client is for calls of the issuer; it
// bounds their time.
func NewIssuer(conf runtime.OIDC, client *http.Client, log *slog.Logger) (*Issuer, error) {
	at, err := url.Parse(conf.Issuer)
	if err != nil || at.Host == "" || at.Scheme != "https" && !(at.Scheme == "http" && onThisMachine(at.Hostname())) {
		return nil, fmt.Errorf("oidc: the issuer %q is no address such as https://login.example.com", conf.Issuer)
	}
	if conf.Audience == "" {
		return nil, errors.New("oidc: there is no audience: a token that the issuer made for another program would be let in")
	}
	if len(conf.Roles) == 0 {
		return nil, errors.New("oidc: no value of a claim gives a role, so nobody would be let in: give one such as metrics-admins=admin")
	}
	i := &Issuer{conf: conf, log: log}
	for _, text := range conf.Roles {
		g, err := parseGrant(text)
		if err != nil {
			return nil, err
		}
		i.grants = append(i.grants, g)
	}
	own := *client
	own.Transport = &recent{next: client.Transport, now: time.Now, seen: map[string]answer{}}
	i.client = &own
	return i, nil
}

func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// parseGrant reads VALUE=ROLE[:TEAM]…; a value may have signs of equality, a role has none.
func parseGrant(text string) (grant, error) {
	at := strings.LastIndexByte(text, '=')
	if at < 1 {
		return grant{}, fmt.Errorf("oidc: %q is not VALUE=ROLE or VALUE=ROLE:TEAM", text)
	}
	parts := strings.Split(text[at+1:], ":")
	g := grant{text[:at], runtime.Role(parts[0]), parts[1:]}
	return g, rights("oidc: "+text, g.role, g.teams)
}

// Bearer returns who has a token: its name is oidc: and that of the claim, so that
// it is none of the file. The error is ErrUnknown, ErrExpired or ErrNoRole, with
// which the name comes where the token has one, or wraps ErrIssuer.
func (i *Issuer) Bearer(ctx context.Context, token string, now time.Time) (runtime.Actor, error) {
	if len(token) > maxJWT {
		return runtime.Actor{}, ErrUnknown
	}
	keys, err := i.keySet(ctx)
	if err != nil {
		return runtime.Actor{}, err
	}
	asked := &observed{KeySet: keys}
	known, err := oidc.NewVerifier(i.conf.Issuer, asked, &oidc.Config{
		ClientID: i.conf.Audience, SupportedSigningAlgs: algorithms, Now: func() time.Time { return now },
	}).Verify(ctx, token)
	if asked.err == nil || errors.Is(asked.err, ErrIssuer) {
		i.tell(asked.err)
	}
	if expired := (*oidc.TokenExpiredError)(nil); errors.As(err, &expired) {
		return runtime.Actor{}, ErrExpired
	} else if errors.Is(asked.err, ErrIssuer) {
		return runtime.Actor{}, asked.err
	} else if gone := ctx.Err(); gone != nil && errors.Is(asked.err, gone) {
		return runtime.Actor{}, notAwaited(gone)
	} else if err != nil {
		return runtime.Actor{}, ErrUnknown
	}
	var claims map[string]any
	if err := known.Claims(&claims); err != nil {
		return runtime.Actor{}, ErrUnknown
	}
	return i.actor(claims)
}

// notAwaited is the error of who has gone before the issuer answered.
func notAwaited(gone error) error { return fmt.Errorf("%w: %w", ErrIssuer, gone) }

// keySet returns the keys of the issuer, or asks where they are.
func (i *Issuer) keySet(ctx context.Context) (oidc.KeySet, error) {
	i.mu.Lock()
	if keys := i.keys; keys != nil {
		i.mu.Unlock()
		return keys, nil
	}
	asking := i.asking
	if asking == nil {
		asking = &discovery{done: make(chan struct{})}
		i.asking = asking
		// What is asked is for others, too, who may wait longer than this one.
		go i.discover(oidc.ClientContext(context.WithoutCancel(ctx), i.client), asking)
	}
	i.mu.Unlock()
	select {
	case <-asking.done:
		return asking.keys, asking.err
	case <-ctx.Done():
		return nil, notAwaited(ctx.Err())
	}
}

// discover asks the issuer where its keys are. It ends with the call, whose time the
// client bounds.
func (i *Issuer) discover(ctx context.Context, d *discovery) {
	d.keys, d.err = keysOf(ctx, i.conf.Issuer)
	i.tell(d.err)
	i.mu.Lock()
	i.keys, i.asking = d.keys, nil
	i.mu.Unlock()
	close(d.done)
}

// keysOf returns the keys of an issuer, which are fetched when they are needed.
func keysOf(ctx context.Context, issuer string) (oidc.KeySet, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIssuer, err)
	}
	var at struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&at); err != nil || at.Keys == "" {
		return nil, fmt.Errorf("%w: it does not say where they are", ErrIssuer)
	}
	return oidc.NewRemoteKeySet(ctx, at.Keys), nil
}

// tell logs when the issuer goes away and when it is back.
func (i *Issuer) tell(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.away == (err != nil) {
		return
	}
	if i.away = err != nil; i.away {
		i.log.Warn("tokens of the issuer are refused", "issuer", i.conf.Issuer, "error", err)
		return
	}
	i.log.Info("the issuer answers again", "issuer", i.conf.Issuer)
}

// observed keeps the error of a key set: the verifier only tells its text.
type observed struct {
	oidc.KeySet
	err error
}

// VerifySignature keeps what that of the key set returns.
func (o *observed) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := o.KeySet.VerifySignature(ctx, token)
	o.err = err
	return payload, err
}

// actor tells who it is by the claims, and gives the greatest role that one of them
// gives. Where several give that one, it has the teams of all: a claim for less
// takes no bound away.
func (i *Issuer) actor(claims map[string]any) (runtime.Actor, error) {
	name, _ := claims[i.conf.NameClaim].(string)
	if name == "" || len(name) > maxClaim || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return runtime.Actor{}, ErrNoRole
	}
	a, bound := runtime.Actor{Name: "oidc:" + name}, true
	values := textsOf(claims[i.conf.RoleClaim])
	for _, g := range i.grants {
		if !slices.Contains(values, g.value) {
			continue
		}
		if !a.Role.Includes(g.role) { // a greater one
			a.Role, a.Teams, bound = g.role, nil, true
		}
		if a.Role == g.role {
			bound = bound && len(g.teams) > 0
			a.Teams = append(a.Teams, g.teams...)
		}
	}
	if a.Role == "" {
		return a, ErrNoRole
	}
	if !bound {
		a.Teams = nil
	}
	slices.Sort(a.Teams)
	a.Teams = slices.Compact(a.Teams)
	return a, nil
}

// textsOf returns the texts of a claim: a list of them, or one.
func textsOf(claim any) (out []string) {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			if text, ok := e.(string); ok {
				out = append(out, text)
			}
		}
	}
	return out
}
