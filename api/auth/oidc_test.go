package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime"
)

// signer has a key of an issuer.
type signer struct {
	id, algorithm string
	key           crypto.Signer
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newSigner(t *testing.T, id, algorithm string) *signer {
	t.Helper()
	s := &signer{id: id, algorithm: algorithm}
	var err error
	switch algorithm {
	case "RS256":
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jwk is the public key as the issuer shows it.
func (s *signer) jwk() map[string]any {
	k := map[string]any{"kid": s.id, "alg": s.algorithm, "use": "sig"}
	switch p := s.key.Public().(type) {
	case *rsa.PublicKey:
		k["kty"], k["n"], k["e"] = "RSA", b64(p.N.Bytes()), b64(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			panic(err)
		}
		k["kty"], k["crv"], k["x"], k["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		k["kty"], k["crv"], k["x"] = "OKP", "Ed25519", b64(p)
	}
	return k
}

func (s *signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	text := head(t, s.algorithm, s.id) + "." + b64(jsonOf(t, claims))
	sum := sha256.Sum256([]byte(text))
	var sig []byte
	var err error
	switch k := s.key.(type) {
	case *rsa.PrivateKey:
		sig, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		var a, b *big.Int
		a, b, err = ecdsa.Sign(rand.Reader, k, sum[:])
		sig = append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(sig)
}

func head(t *testing.T, algorithm, key string) string {
	return b64(jsonOf(t, map[string]any{"alg": algorithm, "kid": key, "typ": "JWT"}))
}

// provider is an issuer on this machine.
type provider struct {
	*httptest.Server
	mu    sync.Mutex
	keys  []*signer
	down  bool
	asked int // for the keys
}

func newProvider(t *testing.T, keys ...*signer) *provider {
	p := &provider{keys: keys}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.down {
			http.Error(w, "later", http.StatusBadGateway)
			return
		}
		var out any = map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"none", "HS256"}}
		if req.URL.Path == "/keys" {
			p.asked++
			list := []any{}
			for _, k := range p.keys {
				list = append(list, k.jwk())
			}
			out = map[string]any{"keys": list}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) become(down bool, keys ...*signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.keys = down, keys
}

func (p *provider) claims(edit func(map[string]any)) map[string]any {
	c := map[string]any{
		"iss": p.URL, "aud": []string{"other", "sluice"}, "sub": "ann", "groups": []string{"staff", "admins"},
		"exp": now.Add(time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "iat": now.Unix(),
	}
	if edit != nil {
		edit(c)
	}
	return c
}

// issuerOf trusts a provider; clock is what it thinks the time is.
func issuerOf(t *testing.T, p *provider, clock *time.Time) *Issuer {
	t.Helper()
	i, err := NewIssuer(runtime.OIDC{
		Issuer: p.URL, Audience: "sluice", NameClaim: "sub", RoleClaim: "groups",
		Roles: []string{"admins=admin", "cn=devs,ou=x=operator:pay:ads", "devs=operator:pay", "free=operator", "staff=viewer"},
	}, p.Client(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	i.client.Transport.(*recent).now = func() time.Time { return *clock }
	return i
}

func TestIssuer(t *testing.T) {
	rs, es, ed, other := newSigner(t, "a", "RS256"), newSigner(t, "b", "ES256"), newSigner(t, "c", "EdDSA"), newSigner(t, "a", "RS256")
	p := newProvider(t, rs, es, ed)
	clock := now
	i := issuerOf(t, p, &clock)
	good := p.claims(nil)
	payload := b64(jsonOf(t, good))
	der, err := x509.MarshalPKIXPublicKey(rs.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	hs256 := func(secret []byte) string {
		text := head(t, "HS256", "a") + "." + payload
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(text))
		return text + "." + b64(m.Sum(nil))
	}
	with := func(edit func(map[string]any)) string { return rs.sign(t, p.claims(edit)) }
	right := rs.sign(t, good)
	parts := strings.Split(right, ".")
	for name, c := range map[string]struct {
		token string
		err   error
	}{
		"RS256":                       {right, nil},
		"ES256":                       {es.sign(t, good), nil},
		"EdDSA":                       {ed.sign(t, good), nil},
		"one audience":                {with(func(c map[string]any) { c["aud"] = "sluice" }), nil},
		"another audience":            {with(func(c map[string]any) { c["aud"] = "grafana" }), ErrUnknown},
		"no audience":                 {with(func(c map[string]any) { delete(c, "aud") }), ErrUnknown},
		"another issuer":              {with(func(c map[string]any) { c["iss"] = "https://login.example.com" }), ErrUnknown},
		"expired":                     {with(func(c map[string]any) { c["exp"] = now.Add(-time.Second).Unix() }), ErrExpired},
		"for ever":                    {with(func(c map[string]any) { delete(c, "exp") }), ErrExpired},
		"not yet":                     {with(func(c map[string]any) { c["nbf"] = now.Add(10 * time.Minute).Unix() }), ErrUnknown},
		"another key of the same id":  {other.sign(t, good), ErrUnknown},
		"none":                        {head(t, "none", "a") + "." + payload + ".", ErrUnknown},
		"none, with a signature":      {head(t, "none", "a") + "." + payload + "." + parts[2], ErrUnknown},
		"HS256 with the public key":   {hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), ErrUnknown},
		"HS256 with it in DER":        {hs256(der), ErrUnknown},
		"claims of another token":     {parts[0] + "." + b64(jsonOf(t, p.claims(func(c map[string]any) { c["sub"] = "eve" }))) + "." + parts[2], ErrUnknown},
		"cut off":                     {right[:len(right)-3], ErrUnknown},
		"no token":                    {"..", ErrUnknown},
		"too long":                    {right + strings.Repeat("A", maxJWT), ErrUnknown},
		"no role":                     {with(func(c map[string]any) { c["groups"] = []string{"others", "Admins"} }), ErrNoRole},
		"no groups":                   {with(func(c map[string]any) { delete(c, "groups") }), ErrNoRole},
		"groups of another kind":      {with(func(c map[string]any) { c["groups"] = map[string]any{"admins": true} }), ErrNoRole},
		"no name":                     {with(func(c map[string]any) { delete(c, "sub") }), ErrNoRole},
		"a name over lines":           {with(func(c map[string]any) { c["sub"] = "a\nby=root" }), ErrNoRole},
		"a name that is none of ours": {with(func(c map[string]any) { c["sub"] = strings.Repeat("a", maxClaim+1) }), ErrNoRole},
	} {
		got, err := i.Bearer(t.Context(), c.token, now)
		if !errors.Is(err, c.err) || (err == nil) != (got.Name == "oidc:ann" && got.Role == runtime.RoleAdmin && got.Teams == nil) {
			t.Errorf("%s: %+v, %v; want %v", name, got, err, c.err)
		}
	}
}

func TestIssuerRoles(t *testing.T) {
	key := newSigner(t, "a", "ES256")
	p := newProvider(t, key)
	clock := now
	i := issuerOf(t, p, &clock)
	for _, c := range []struct {
		groups any
		role   runtime.Role
		teams  []string
	}{
		{"staff", runtime.RoleViewer, nil},
		{[]string{"staff", "devs"}, runtime.RoleOperator, []string{"pay"}}, // what a viewer is not bound by takes no bound away
		{[]string{"devs", "cn=devs,ou=x"}, runtime.RoleOperator, []string{"ads", "pay"}},
		{[]string{"devs", "free"}, runtime.RoleOperator, nil},
		{[]string{"free", "devs"}, runtime.RoleOperator, nil},
		{[]string{"devs", "admins"}, runtime.RoleAdmin, nil},
		{[]any{7, "staff"}, runtime.RoleViewer, nil},
	} {
		got, err := i.Bearer(t.Context(), key.sign(t, p.claims(func(m map[string]any) { m["groups"] = c.groups })), now)
		if d := cmp.Diff(runtime.Actor{Name: "oidc:ann", Role: c.role, Teams: c.teams}, got); d != "" || err != nil {
			t.Errorf("%v: error %v, diff %s", c.groups, err, d)
		}
	}
}

// Keys that are new are found, keys that are gone open nothing once they were asked
// for again, and who makes keys up has the issuer asked once in a while only.
func TestRotation(t *testing.T) {
	first, second, madeUp := newSigner(t, "1", "ES256"), newSigner(t, "2", "ES256"), newSigner(t, "3", "ES256")
	p := newProvider(t, first)
	clock := now
	i := issuerOf(t, p, &clock)
	bearer := func(s *signer) error {
		_, err := i.Bearer(t.Context(), s.sign(t, p.claims(nil)), now)
		return err
	}
	if err := bearer(first); err != nil {
		t.Fatal(err)
	}
	p.become(false, second)
	clock = clock.Add(recentFor)
	// Keys are kept a moment after they were answered with.
	until := time.Now().Add(10 * time.Second)
	for bearer(second) != nil || !errors.Is(bearer(first), ErrUnknown) {
		if time.Now().After(until) {
			t.Fatal("the new key is refused, or the old one still taken:", bearer(second), bearer(first))
		}
	}
	before := p.asked
	for range 10 {
		if err := bearer(madeUp); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	}
	if p.asked != before {
		t.Errorf("asked %d times for a key that was made up", p.asked-before)
	}
}

func TestIssuerAway(t *testing.T) {
	key, next := newSigner(t, "1", "ES256"), newSigner(t, "2", "ES256")
	p := newProvider(t, key)
	p.become(true, key)
	clock := now
	i := issuerOf(t, p, &clock)
	bearer := func(s *signer) error {
		_, err := i.Bearer(t.Context(), s.sign(t, p.claims(nil)), now)
		return err
	}
	if err := bearer(key); !errors.Is(err, ErrIssuer) {
		t.Error("it was never there:", err)
	}
	p.become(false, key)
	clock = clock.Add(recentFor)
	if err := bearer(key); err != nil {
		t.Error("it is there:", err)
	}
	for asked := -1; asked != p.asked; { // keys are kept a moment after they were answered with
		asked = p.asked
		clock = clock.Add(recentFor)
		if err := bearer(key); err != nil {
			t.Fatal("it is there:", err)
		}
	}
	p.become(true)
	clock = clock.Add(recentFor)
	if err := bearer(key); err != nil {
		t.Error("it went away, with a key that is known:", err)
	}
	if err := bearer(next); !errors.Is(err, ErrIssuer) {
		t.Error("it went away, with another key:", err)
	}
	p.Close()
	clock = clock.Add(recentFor)
	if err := bearer(next); !errors.Is(err, ErrIssuer) {
		t.Error("nobody listens:", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Bearer(gone, next.sign(t, p.claims(nil)), now); err == nil {
		t.Error("who has gone is let in")
	}
}

// slow is an issuer whose answers wait until somebody lets them go.
type slow struct {
	next   http.RoundTripper
	asked  chan string // path of each call, as it comes
	answer chan struct{}
}

func (s *slow) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case s.asked <- req.URL.Path:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	select {
	case <-s.answer:
		return s.next.RoundTrip(req)
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// An issuer that takes its time is asked once for all who wait, holds up nobody who has
// gone, and nobody whose key is known.
func TestSlowIssuer(t *testing.T) {
	first, second := newSigner(t, "1", "ES256"), newSigner(t, "2", "ES256")
	p := newProvider(t, first, second)
	clock := now
	i := issuerOf(t, p, &clock)
	way := &slow{next: i.client.Transport.(*recent).next, asked: make(chan string), answer: make(chan struct{})}
	i.client.Transport.(*recent).next = way
	bearer := func(ctx context.Context, s *signer) chan error {
		token, out := s.sign(t, p.claims(nil)), make(chan error, 1)
		go func() {
			_, err := i.Bearer(ctx, token, now)
			out <- err
		}()
		return out
	}
	gone, cancel := context.WithCancel(t.Context())
	leaves, waits := bearer(gone, first), bearer(t.Context(), first)
	if path := <-way.asked; path != "/.well-known/openid-configuration" {
		t.Errorf("asked for %s", path)
	}
	cancel()
	if err := <-leaves; !errors.Is(err, ErrIssuer) || !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone: %v", err)
	}
	also := bearer(t.Context(), second)
	way.answer <- struct{}{}
	if path := <-way.asked; path != "/keys" {
		t.Errorf("asked for %s", path)
	}
	p.become(false, first) // the second key comes later
	way.answer <- struct{}{}
	if err := <-waits; err != nil {
		t.Error("who waited:", err)
	}
	if err := <-also; !errors.Is(err, ErrUnknown) {
		t.Error("who has a key that the issuer does not show:", err)
	}
	clock = clock.Add(recentFor)
	unknown := bearer(t.Context(), second)
	<-way.asked
	if err := <-bearer(t.Context(), first); err != nil {
		t.Error("while the issuer is asked for another key:", err)
	}
	p.become(false, first, second)
	way.answer <- struct{}{}
	if err := <-unknown; err != nil {
		t.Error("with the new key:", err)
	}
}

func TestWrongIssuers(t *testing.T) {
	for name, edit := range map[string]func(*runtime.OIDC){
		"in the clear": func(c *runtime.OIDC) { c.Issuer = "http://login.example.com" },
		"no address":   func(c *runtime.OIDC) { c.Issuer = "login" },
		"no audience":  func(c *runtime.OIDC) { c.Audience = "" },
		"no roles":     func(c *runtime.OIDC) { c.Roles = nil },
		"no such role": func(c *runtime.OIDC) { c.Roles = []string{"a=root"} },
		"no value":     func(c *runtime.OIDC) { c.Roles = []string{"=admin"} },
		"an empty team": func(c *runtime.OIDC) {
			c.Roles = []string{"a=admin:"}
		},
	} {
		conf := runtime.OIDC{Issuer: "https://login.example.com", Audience: "a", NameClaim: "sub", RoleClaim: "groups", Roles: []string{"a=admin"}}
		if _, err := NewIssuer(conf, http.DefaultClient, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		edit(&conf)
		if _, err := NewIssuer(conf, http.DefaultClient, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
