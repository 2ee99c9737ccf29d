package cli

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

// An instance that is not named is the one of the configuration, also with a
// certificate and a token.
func TestBrokersOfTheInstance(t *testing.T) {
	t.Setenv("SLUICE_URL", "")
	t.Setenv("SLUICE_CA", "")
	t.Setenv(tokenVariable, "")
	t.Setenv("SLUICE_TEST_TOKEN", "right")
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, err := w.Write([]byte(`{"brokers":["kafka-1:9092"]}`)); err != nil {
			t.Error(err)
		}
	})
	plain, secured := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secured.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secured.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	address := func(s *httptest.Server) string { _, a, _ := strings.Cut(s.URL, "://"); return a }
	config := func(listen, token string, tls *runtime.ListenTLS) runtime.Config {
		var c runtime.Config
		c.Listen, c.ListenToken, c.ListenTLS = listen, token, tls
		return c
	}
	const token = "env://SLUICE_TEST_TOKEN"
	for name, tt := range map[string]struct {
		asking asking
		cfg    runtime.Config
	}{
		"of the configuration": {asking{}, config(address(plain), token, nil)},
		"with a certificate":   {asking{options: client.Options{CA: ca}}, config(address(secured), token, &runtime.ListenTLS{Cert: "c.pem"})},
		"by flags":             {asking{url: secured.URL, options: client.Options{CA: ca, Token: token}}, config("127.0.0.1:1", "env://OTHER", nil)},
	} {
		got, err := tt.asking.brokers(t.Context(), tt.cfg)
		if diff := cmp.Diff([]string{"kafka-1:9092"}, got); err != nil || diff != "" {
			t.Errorf("%s: error %v, %s", name, err, diff)
		}
	}
}
