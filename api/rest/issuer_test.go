package rest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/runtime"
)

// newOIDC is an issuer of tokens on this machine, and what makes one for a group.
func newOIDC(t *testing.T) (url string, token func(group string) string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	encoded := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		return b
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		out := map[string]any{"issuer": url, "jwks_uri": url + "/keys"}
		if req.URL.Path == "/keys" {
			out = map[string]any{"keys": []any{map[string]any{"kid": "1", "kty": "EC", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])}}}
		}
		w.Write(encoded(out))
	}))
	t.Cleanup(s.Close)
	url = s.URL
	return url, func(group string) string {
		signed := text(encoded(map[string]any{"alg": "ES256", "kid": "1"})) + "." + text(encoded(map[string]any{
			"iss": url, "aud": "sluice", "sub": "ann", "groups": group, "exp": time.Now().Add(time.Hour).Unix(),
		}))
		sum := sha256.Sum256([]byte(signed))
		a, b, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + text(append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...))
	}
}

func TestIssuersTokens(t *testing.T) {
	issuer, token := newOIDC(t)
	secret, entry, err := auth.NewToken("ci", runtime.RoleAdmin, nil, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	f := auth.File{Tokens: []auth.Token{entry}}
	o := Options{Tokens: filepath.Join(t.TempDir(), "tokens.json"), OIDC: &runtime.OIDC{
		Issuer: issuer, Audience: "sluice", NameClaim: "sub", RoleClaim: "groups", Roles: []string{"ops=operator", "all=viewer"},
	}}
	if err := f.Write(o.Tokens); err != nil {
		t.Fatal(err)
	}
	status := func(url, method, token string, want int) {
		t.Helper()
		if got, _, err := askOnce(t, method, url+"/api/v1/degrade", token, nil); err != nil || got != want {
			t.Errorf("%s: %d, error %v, want %d", method, got, err, want)
		}
	}
	url, log := guarded(t, o, "127.0.0.0/8")
	status(url, "DELETE", token("ops"), 200)
	status(url, "GET", token("all"), 200)
	status(url, "DELETE", token("all"), 403)
	status(url, "GET", token("others"), 403)
	status(url, "GET", token("ops")[1:], 401)
	status(url, "DELETE", secret, 200)
	if want := "by=oidc:ann role=operator"; !strings.Contains(log.String(), want) {
		t.Errorf("the audit lacks %s: %s", want, log)
	}

	if want := `operation=signIn target="GET /api/v1/degrade" by=oidc:ann`; !strings.Contains(log.String(), want) || !strings.Contains(log.String(), `error="no-role: `) {
		t.Errorf("the audit lacks %s: %s", want, log)
	}

	// An issuer that may not be called is as one that is away: other tokens are taken.
	url, _ = guarded(t, o)
	status(url, "GET", token("ops"), 503)
	status(url, "DELETE", secret, 200)

	// With an issuer alone, nobody comes in without a token.
	o.Tokens = ""
	url, _ = guarded(t, o, "127.0.0.0/8")
	status(url, "GET", "", 401)
	status(url, "GET", secret, 401)
	status(url, "GET", token("ops"), 200)
}
