package egress_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ addr, class string }{
		{"127.0.0.1", "loopback"},
		{"127.9.9.9", "loopback"},
		{"::1", "loopback"},
		{"::ffff:127.0.0.1", "loopback"},
		{"169.254.169.254", "cloud metadata"},
		{"::ffff:169.254.169.254", "cloud metadata"},
		{"64:ff9b::a9fe:a9fe", "cloud metadata"},
		{"fd00:ec2::254", "cloud metadata"},
		{"169.254.1.1", "link-local"},
		{"fe80::1%eth0", "link-local"},
		{"10.1.2.3", "private"},
		{"172.31.255.255", "private"},
		{"192.168.0.1", "private"},
		{"fd12:3456::1", "private"},
		{"64:ff9b::c0a8:1", "private"},
		{"100.64.0.1", "carrier-grade NAT"},
		{"0.0.0.0", "unspecified"},
		{"0.1.2.3", "unspecified"},
		{"::", "unspecified"},
		{"224.0.0.1", "multicast"},
		{"ff02::1", "multicast"},
		{"255.255.255.255", "reserved"},
		{"198.18.0.1", "reserved"},
		{"2002:7f00:1::", "tunnel"},
		{"2001:0:1::1", "tunnel"},
		{"64:ff9b:1::a00:1", "tunnel"},
		{"::7f00:1", "tunnel"},
		{"9.255.255.255", ""},
		{"172.32.0.1", ""},
		{"100.128.0.1", ""},
		{"93.184.216.34", ""},
		{"64:ff9b::5db8:d822", ""},
		{"2606:4700::1111", ""},
	} {
		err := egress.Policy{}.Check(netip.MustParseAddr(c.addr))
		var denied *egress.DeniedError
		switch {
		case c.class == "" && err != nil:
			t.Errorf("%s: %v, want it allowed", c.addr, err)
		case c.class != "" && (!errors.As(err, &denied) || denied.Class != c.class):
			t.Errorf("%s: %v, want it denied as %s", c.addr, err, c.class)
		}
		everything := egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
		if err := everything.Check(netip.MustParseAddr(c.addr)); err != nil {
			t.Errorf("%s: %v although everything is allowed", c.addr, err)
		}
	}
}

func TestCheckAllowsOnlyWhatIsListed(t *testing.T) {
	p := egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for addr, allowed := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::a01:203": true, "10.2.0.1": false, "127.0.0.1": false} {
		if err := p.Check(netip.MustParseAddr(addr)); (err == nil) != allowed {
			t.Errorf("%s: %v, want allowed %v", addr, err, allowed)
		}
	}
}

func TestClientRefusesInnerAddressesAtConnect(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request arrived")
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())

	// localhost: the name is harmless, what it resolves to is not.
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		_, err := egress.New(egress.Policy{}).Get("http://" + host + ":" + port)
		var denied *egress.DeniedError
		if !errors.As(err, &denied) {
			t.Errorf("%s: error %v, want a denial", host, err)
		} else if !strings.Contains(err.Error(), "/32 to --egress-allow") && !strings.Contains(err.Error(), "/128 to --egress-allow") {
			t.Errorf("%s: %v does not say what to write", host, err)
		}
	}
}

func TestClientIgnoresProxyOfEnvironment(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the proxy was asked")
	}))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	client := egress.New(egress.Policy{Allow: loopback})
	defer client.CloseIdleConnections()
	if _, err := client.Get("http://192.168.77.77/"); err == nil {
		t.Error("a private address was reached")
	}
}

func TestClientAllowed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		io.WriteString(w, "ok")
	}))
	defer server.Close()
	client := egress.New(egress.Policy{Allow: loopback})
	defer client.CloseIdleConnections()

	for path, want := range map[string]int{"/": http.StatusOK, "/moved": http.StatusFound} {
		res, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, want)
		}
	}
}

func TestClientSpeaksHTTPOnly(t *testing.T) {
	client := egress.New(egress.Policy{Allow: loopback})
	for _, u := range []string{"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/"} {
		_, err := client.Get(u)
		if err == nil || !strings.Contains(err.Error(), "write http:// or https://") {
			t.Errorf("%s: error %v", u, err)
		}
		req := &http.Request{Method: http.MethodPost, URL: must(url.Parse(u)), Body: io.NopCloser(strings.NewReader("x"))}
		if _, err := client.Do(req); err == nil {
			t.Errorf("%s: POST went out", u)
		}
	}
}

func TestClientTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	client := egress.New(egress.Policy{Allow: loopback, Timeout: 20 * time.Millisecond})
	defer client.CloseIdleConnections()
	_, err := client.Get(server.URL)
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
}

func TestClientSpeaksTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.Version < tls.VersionTLS12 {
			t.Errorf("TLS version %x", r.TLS.Version)
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client := egress.New(egress.Policy{Allow: loopback, TLS: &tls.Config{RootCAs: roots}})
	defer client.CloseIdleConnections()
	res, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

func TestClientRefusesOldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake is the point
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	client := egress.New(egress.Policy{Allow: loopback, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}})
	if _, err := client.Get(server.URL); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: error %v, want a refusal of the version", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
