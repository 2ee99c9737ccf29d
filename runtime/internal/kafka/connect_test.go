package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// pair is a certificate and its key, as files and for a listener.
type pair struct {
	cert, key string
	loaded    tls.Certificate
}

func newPair(t *testing.T, hosts ...string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{cert: filepath.Join(t.TempDir(), "cert.pem"), key: filepath.Join(t.TempDir(), "key.pem")}
	for path, block := range map[string]*pem.Block{p.cert: {Type: "CERTIFICATE", Bytes: der}, p.key: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.loaded = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return p
}

func (p pair) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(p.loaded.Certificate[0])
	if err != nil {
		panic(err) // we made it
	}
	pool.AddCert(cert)
	return pool
}

func secret(s string) Secret { return func() (string, error) { return s, nil } }

func listen(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// try asks a broker for its topics.
func try(t *testing.T, c Config) error {
	t.Helper()
	a, err := NewAdmin(c)
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	counts, err := a.Topics(ctx)
	if err == nil && counts[testTopic] != 1 {
		t.Errorf("topics %v", counts)
	}
	return err
}

func TestConnectTLS(t *testing.T) {
	server, client, other := newPair(t, "127.0.0.1", "broker.internal"), newPair(t), newPair(t, "127.0.0.1")
	oneWay := listen(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server.loaded}}))
	mutual := listen(t, kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{server.loaded}, ClientCAs: client.pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	}))
	old := listen(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server.loaded}, MaxVersion: tls.VersionTLS11}))
	for _, tt := range []struct {
		name, broker string
		tls          TLS
		ok           bool
	}{
		{"trusted", oneWay, TLS{Enabled: true, CA: server.cert}, true},
		{"by another name", oneWay, TLS{Enabled: true, CA: server.cert, ServerName: "broker.internal"}, true},
		{"by a wrong name", oneWay, TLS{Enabled: true, CA: server.cert, ServerName: "elsewhere"}, false},
		{"not trusted", oneWay, TLS{Enabled: true, CA: other.cert}, false},
		{"not trusted by the system", oneWay, TLS{Enabled: true}, false},
		{"without tls", oneWay, TLS{}, false},
		{"with a client certificate", mutual, TLS{Enabled: true, CA: server.cert, Cert: client.cert, Key: client.key}, true},
		{"without a client certificate", mutual, TLS{Enabled: true, CA: server.cert}, false},
		{"with a wrong client certificate", mutual, TLS{Enabled: true, CA: server.cert, Cert: other.cert, Key: other.key}, false},
		{"below tls 1.2", old, TLS{Enabled: true, CA: server.cert}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := try(t, Config{Brokers: []string{tt.broker}, TLS: tt.tls}); (err == nil) != tt.ok {
				t.Errorf("connecting: %v", err)
			}
		})
	}
}

func TestConnectSASL(t *testing.T) {
	t.Parallel()
	users := []kfake.Opt{
		kfake.EnableSASL(), kfake.Superuser("PLAIN", "ann", "a"), kfake.Superuser("SCRAM-SHA-256", "bob", "b"), kfake.Superuser("SCRAM-SHA-512", "cid", "c"),
	}
	server := newPair(t, "127.0.0.1")
	inClear := listen(t, users...)
	crypted := listen(t, append(users, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server.loaded}}))...)
	for _, tt := range []struct {
		name string
		sasl SASL
		ok   bool
	}{
		{"plain", SASL{SASLPlain, "ann", secret("a")}, true},
		{"plain, wrong password", SASL{SASLPlain, "ann", secret("x")}, false},
		{"scram-sha-256", SASL{SASLScramSHA256, "bob", secret("b")}, true},
		{"scram-sha-512", SASL{SASLScramSHA512, "cid", secret("c")}, true},
		{"scram-sha-512, wrong password", SASL{SASLScramSHA512, "cid", secret("x")}, false},
		{"scram-sha-512, unknown user", SASL{SASLScramSHA512, "dan", secret("d")}, false},
		{"password not to be had", SASL{SASLScramSHA512, "cid", func() (string, error) { return "", errors.New("vault sealed") }}, false},
		{"nobody", SASL{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // the client asks again for some seconds
			if err := try(t, Config{Brokers: []string{inClear}, SASL: tt.sasl}); (err == nil) != tt.ok {
				t.Errorf("over loopback: %v", err)
			}
			if err := try(t, Config{Brokers: []string{crypted}, SASL: tt.sasl, TLS: TLS{Enabled: true, CA: server.cert}}); (err == nil) != tt.ok {
				t.Errorf("over tls: %v", err)
			}
		})
	}
}

// A seed on loopback may advertise a broker that is not.
func TestConnectPlainDoesNotLeaveLoopback(t *testing.T) {
	_, err := dialLoopback(t.Context(), "tcp", "192.0.2.1:9092")
	wantField(t, err, "sasl.mechanism")
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	server := newPair(t)
	text := filepath.Join(t.TempDir(), "text.pem")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	local, remote := []string{"127.0.0.1:9092"}, []string{"broker.example:9092"}
	user := func(m string) SASL { return SASL{Mechanism: m, User: "u", Password: secret("p")} }
	for _, tt := range []struct {
		name, field string // field "" means it is right
		config      Config
	}{
		{"nothing", "brokers", Config{}},
		{"no port", "brokers", Config{Brokers: []string{"broker"}}},
		{"no host", "brokers", Config{Brokers: []string{":9092"}}},
		{"a list in one", "brokers", Config{Brokers: []string{"a:1,b:2"}}},
		{"a url", "brokers", Config{Brokers: []string{"kafka://a:1"}}},
		{"one of two", "brokers", Config{Brokers: []string{"a:1", "b"}}},
		{"tls off but given", "tls.enabled", Config{Brokers: local, TLS: TLS{CA: server.cert}}},
		{"no such ca", "tls.ca", Config{Brokers: local, TLS: TLS{Enabled: true, CA: "no/such.pem"}}},
		{"no pem", "tls.ca", Config{Brokers: local, TLS: TLS{Enabled: true, CA: text}}},
		{"key without cert", "tls.cert", Config{Brokers: local, TLS: TLS{Enabled: true, Key: server.key}}},
		{"cert without key", "tls.key", Config{Brokers: local, TLS: TLS{Enabled: true, Cert: server.cert}}},
		{"cert that is no cert", "tls.cert", Config{Brokers: local, TLS: TLS{Enabled: true, Cert: text, Key: server.key}}},
		{"unknown mechanism", "sasl.mechanism", Config{Brokers: local, SASL: user("kerberos")}},
		{"user without mechanism", "sasl.mechanism", Config{Brokers: local, SASL: SASL{User: "u"}}},
		{"no user", "sasl.user", Config{Brokers: local, SASL: SASL{Mechanism: SASLPlain, Password: secret("p")}}},
		{"no password", "sasl.password", Config{Brokers: local, SASL: SASL{Mechanism: SASLPlain, User: "u"}}},
		{"plain over the network", "sasl.mechanism", Config{Brokers: remote, SASL: user(SASLPlain)}},
		{"plain over loopback and the network", "sasl.mechanism", Config{Brokers: []string{"localhost:1", "10.0.0.1:1"}, SASL: user(SASLPlain)}},
		{"plain over tls", "", Config{Brokers: remote, SASL: user(SASLPlain), TLS: TLS{Enabled: true}}},
		{"plain over loopback", "", Config{Brokers: []string{"localhost:1", "[::1]:2", "127.0.0.9:3"}, SASL: user(SASLPlain)}},
		{"scram over the network", "", Config{Brokers: remote, SASL: user(SASLScramSHA512)}},
		{"everything", "", Config{Brokers: remote, TLS: TLS{Enabled: true, CA: server.cert, Cert: server.cert, Key: server.key, ServerName: "x"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.config.Validate()
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantField(t, err, tt.field)
		})
	}
	all := Config{SASL: SASL{Mechanism: "kerberos"}, TLS: TLS{Enabled: true, CA: text}}.Validate()
	for _, field := range []string{"brokers", "tls.ca", "sasl.mechanism", "sasl.user", "sasl.password"} {
		if !strings.Contains(all.Error(), field+": ") {
			t.Errorf("%q is not named in %q", field, all)
		}
	}
}
