package rest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// certificates are those of the server. Files that have changed are read again for
// the next connection; while they cannot be, those before hold.
type certificates struct {
	files runtime.ListenTLS
	log   *slog.Logger

	mu      sync.Mutex
	seen    [3]time.Time // when the files were changed
	current *tls.Config
}

// newCertificates reads the files. It returns nil where none are wanted.
func newCertificates(files *runtime.ListenTLS, log *slog.Logger) (*certificates, error) {
	if files == nil || files.Cert == "" && files.Key == "" {
		return nil, nil
	}
	if files.Cert == "" || files.Key == "" {
		return nil, errors.New("--listen-cert and --listen-key belong together")
	}
	c := &certificates{files: *files, log: log}
	c.seen = c.changed()
	var err error
	c.current, err = c.load()
	return c, err
}

// config is for the server; nil without certificates.
func (c *certificates) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.latest(), nil },
		// A server wants a certificate before there is a client.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.latest().Certificates[0], nil },
	}
}

func (c *certificates) changed() (at [3]time.Time) {
	for i, name := range []string{c.files.Cert, c.files.Key, c.files.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}

func (c *certificates) latest() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.changed(); now != c.seen {
		c.seen = now
		if next, err := c.load(); err != nil {
			c.log.Error("the changed certificate is not used", "error", err)
		} else {
			c.current = next
			c.log.Info("the certificate is read again", "file", c.files.Cert)
		}
	}
	return c.current
}

func (c *certificates) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if c.files.ClientCA != "" {
		pem, err := os.ReadFile(c.files.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("client certificates: %w", err)
		}
		conf.ClientCAs, conf.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("client certificates: %s has no certificate in PEM", c.files.ClientCA)
		}
	}
	return conf, nil
}
