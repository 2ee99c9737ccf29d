package rest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/runtime"
)

// issuer signs certificates.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newIssuer(t *testing.T, name string) *issuer {
	t.Helper()
	i := &issuer{}
	i.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	i.pem, i.key = sign(t, i.cert, i.cert, nil)
	return i
}

// issue writes a certificate and its key, and returns their files.
func (i *issuer) issue(t *testing.T, dir, name string, edit func(*x509.Certificate)) (cert, key string) {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(c)
	}
	text, k := sign(t, c, i.cert, i.key)
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, dir, name+".crt", text), writeFile(t, dir, name+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func sign(t *testing.T, c, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

func writeFile(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logged is a log that a test reads while others write it.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// guarded is a server of an instance that does not run.
func guarded(t *testing.T, o Options, allow ...string) (url string, log *logged) {
	t.Helper()
	cfg, _, err := runtime.LoadConfig(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.EgressAllow = allow
	log = &logged{}
	r, report, err := runtime.New(t.Context(), cfg, runtime.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil || r == nil {
		t.Fatal(err, report)
	}
	o.Listen, o.Log = "localhost:0", slog.New(slog.NewTextHandler(log, nil))
	s, err := New(r, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL(), "https://"), ":")
	if !strings.HasPrefix(s.URL(), "https://") {
		return s.URL(), log
	}
	return "https://localhost:" + port, log
}

// askOnce sends a request by a connection of its own.
func askOnce(t *testing.T, method, url, token string, conf *tls.Config) (int, *x509.Certificate, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if resp.TLS == nil {
		return resp.StatusCode, nil, nil
	}
	return resp.StatusCode, resp.TLS.PeerCertificates[0], nil
}

func TestTokensAndRoles(t *testing.T) {
	file, secrets := filepath.Join(t.TempDir(), "tokens.json"), map[runtime.Role]string{}
	var f auth.File
	for _, role := range runtime.Roles() {
		secret, entry, err := auth.NewToken(string(role), role, nil, time.Now(), 0)
		if err != nil {
			t.Fatal(err)
		}
		secrets[role], f.Tokens = secret, append(f.Tokens, entry)
	}
	old, entry, err := auth.NewToken("old", runtime.RoleAdmin, nil, time.Now().Add(-time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	f.Tokens = append(f.Tokens, entry)
	if err := f.Write(file); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLUICE_TEST_TOKEN", token)
	url, log := guarded(t, Options{Tokens: file, Token: "env://SLUICE_TEST_TOKEN"})
	status := func(method, path, token string) int {
		t.Helper()
		code, _, err := askOnce(t, method, url+path, token, nil)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	for role, secret := range secrets {
		if got := status("GET", "/api/v1/status", secret); got != 200 {
			t.Errorf("%s reads: %d", role, got)
		}
		want := 403
		if role.Includes(runtime.RoleOperator) {
			want = 200
		}
		if got := status("DELETE", "/api/v1/degrade", secret); got != want {
			t.Errorf("%s changes: %d, want %d", role, got, want)
		}
	}
	for token, want := range map[string]int{token: 200, "": 401, "wrong": 401, old: 401} {
		if got := status("DELETE", "/api/v1/degrade", token); got != want {
			t.Errorf("%.10q: %d, want %d", token, got, want)
		}
	}
	for _, want := range []string{
		"msg=audit operation=endDegrade by=operator role=operator from=127.0.0.1:",
		"by=listen-token role=admin", "result=done",
		"by=viewer role=viewer", `result=refused error="forbidden: viewer has the role viewer; this needs operator"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the audit lacks %s: %s", want, log)
		}
	}
	if strings.Contains(log.String(), "by=old") || strings.Contains(log.String(), secrets[runtime.RoleAdmin]) {
		t.Errorf("the audit has who was not let in, or a token: %s", log)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := newIssuer(t, "ours"), newIssuer(t, "theirs")
	cert, key := ours.issue(t, dir, "server", nil)
	client, clientKey := ours.issue(t, dir, "prometheus", nil)
	unknown, unknownKey := ours.issue(t, dir, "unknown", nil)
	stranger, strangerKey := theirs.issue(t, dir, "stranger", func(c *x509.Certificate) { c.Subject.CommonName = "prometheus" })
	expired, expiredKey := ours.issue(t, dir, "expired", func(c *x509.Certificate) {
		c.Subject.CommonName, c.NotAfter = "prometheus", time.Now().Add(-time.Minute)
	})
	secret, entry, err := auth.NewToken("ci", runtime.RoleAdmin, nil, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	f := auth.File{Tokens: []auth.Token{entry}, Certificates: []auth.Certificate{{Name: "prometheus", Role: runtime.RoleViewer}}}
	tokens := filepath.Join(dir, "tokens.json")
	if err := f.Write(tokens); err != nil {
		t.Fatal(err)
	}
	url, _ := guarded(t, Options{Tokens: tokens, TLS: &runtime.ListenTLS{Cert: cert, Key: key, ClientCA: writeFile(t, dir, "ca.pem", ours.pem)}})
	trusting := func(cert, key string) *tls.Config {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ours.pem)
		conf := &tls.Config{RootCAs: pool}
		if cert != "" {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			// Whether or not the server says that it takes one of this issuer.
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		return conf
	}
	for name, c := range map[string]struct {
		method, token, cert, key string
		status                   int // 0: no connection
	}{
		"a token":                      {"GET", secret, "", "", 200},
		"nothing":                      {"GET", "", "", "", 401},
		"a certificate reads":          {"GET", "", client, clientKey, 200},
		"a certificate of a viewer":    {"DELETE", "", client, clientKey, 403},
		"a token beside a certificate": {"DELETE", secret, client, clientKey, 200},
		"a wrong token beside one":     {"GET", "wrong", client, clientKey, 401},
		"a certificate without a role": {"GET", "", unknown, unknownKey, 401},
		"a name of another issuer":     {"GET", "", stranger, strangerKey, 0},
		"an expired certificate":       {"GET", "", expired, expiredKey, 0},
	} {
		if got, _, err := askOnce(t, c.method, url+"/api/v1/degrade", c.token, trusting(c.cert, c.key)); got != c.status || (err != nil) != (c.status == 0) {
			t.Errorf("%s: %d, error %v, want %d", name, got, err, c.status)
		}
	}
	old := trusting("", "")
	old.MaxVersion = tls.VersionTLS11
	if _, _, err := askOnce(t, "GET", url+"/healthz", "", old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if got, _, _ := askOnce(t, "GET", strings.Replace(url, "https", "http", 1)+"/healthz", "", nil); got == 200 {
		t.Error("the server answers in the clear")
	}

	// A changed certificate is that of the next connection; a broken one is not.
	_, before, err := askOnce(t, "GET", url+"/healthz", "", trusting("", ""))
	if err != nil {
		t.Fatal(err)
	}
	touch := func(after time.Duration) {
		at := time.Now().Add(after)
		if err := os.Chtimes(cert, at, at); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, dir, "server.crt", []byte("broken"))
	touch(time.Second)
	if _, now, err := askOnce(t, "GET", url+"/healthz", "", trusting("", "")); err != nil || !now.Equal(before) {
		t.Errorf("with a broken file: %v", err)
	}
	ours.issue(t, dir, "server", nil)
	touch(2 * time.Second)
	if _, now, err := askOnce(t, "GET", url+"/healthz", "", trusting("", "")); err != nil || now.Equal(before) {
		t.Errorf("with another certificate: the same, or error %v", err)
	}
}
