package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	dialTimeout = 10 * time.Second
	metadataAge = 10 * time.Second // a new partition is known after at most this

	// The client answers from its metadata for this long, also that a topic does
	// not exist; its default of 5 s is how long a topic just made would be missing.
	metadataMinAge = 200 * time.Millisecond
)

// options returns what every client of this configuration shares.
func (c Config) options() ([]kgo.Opt, error) {
	tlsConfig, tlsErr := c.TLS.config()
	if err := errors.Join(c.checkBrokers(), tlsErr, c.checkSASL()); err != nil {
		return nil, err
	}
	id := c.ClientID
	if id == "" {
		id = "sluice"
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(id),
		kgo.MetadataMaxAge(metadataAge),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.DisableClientMetrics(), // they hold up Close for a second
		kgo.WithLogger(clientLog{c.logger()}),
	}
	switch {
	case c.dial != nil:
		opts = append(opts, kgo.Dialer(c.dial))
	case c.TLS.Enabled:
		opts = append(opts, kgo.DialTLSConfig(tlsConfig))
	case c.SASL.Mechanism == SASLPlain:
		opts = append(opts, kgo.Dialer(dialLoopback))
	}
	if m := c.SASL.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case SASLPlain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := s.password()
			return plain.Auth{User: s.User, Pass: pass}, err
		})
	case SASLScramSHA256:
		return scram.Sha256(s.scram)
	case SASLScramSHA512:
		return scram.Sha512(s.scram)
	}
	return nil
}

func (s SASL) scram(context.Context) (scram.Auth, error) {
	pass, err := s.password()
	return scram.Auth{User: s.User, Pass: pass}, err
}

func (s SASL) password() (string, error) {
	pass, err := s.Password()
	if err != nil {
		return "", &ConfigError{Field: "sasl.password", Err: err}
	}
	return pass, nil
}

func (t TLS) config() (*tls.Config, error) {
	if !t.Enabled {
		if t != (TLS{}) {
			return nil, wrong("tls.enabled", "false, although other tls settings are given")
		}
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	var errs []error
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		pool := x509.NewCertPool()
		switch {
		case err != nil:
			errs = append(errs, &ConfigError{Field: "tls.ca", Err: err})
		case !pool.AppendCertsFromPEM(pem):
			errs = append(errs, wrong("tls.ca", "%s holds no PEM certificate", t.CA))
		}
		conf.RootCAs = pool
	}
	switch {
	case t.Cert == "" && t.Key == "":
	case t.Cert == "":
		errs = append(errs, wrong("tls.cert", "missing, although tls.key is given"))
	case t.Key == "":
		errs = append(errs, wrong("tls.key", "missing, although tls.cert is given"))
	default:
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			return &pair, err
		}
		if _, err := load(nil); err != nil {
			errs = append(errs, &ConfigError{Field: "tls.cert", Err: err})
		}
		conf.GetClientCertificate = load
	}
	return conf, errors.Join(errs...)
}

// dialLoopback refuses every address off this machine: a broker on loopback may
// advertise another host, and the password would follow it there.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(resolved)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return wrong("sasl.mechanism", "broker %s is not on loopback: plain without tls is refused there", address)
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// clientLog writes the client's log one level lower than the client would: what
// it retries by itself is not for an operator.
type clientLog struct{ log *slog.Logger }

func (l clientLog) Level() kgo.LogLevel {
	ctx := context.Background()
	switch {
	case l.log.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	case l.log.Enabled(ctx, slog.LevelInfo):
		return kgo.LogLevelWarn
	case l.log.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelError
	}
	return kgo.LogLevelNone
}

func (l clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	switch level {
	case kgo.LogLevelError:
		to = slog.LevelWarn
	case kgo.LogLevelWarn:
		to = slog.LevelInfo
	}
	l.log.Log(context.Background(), to, "kafka client: "+msg, keyvals...)
}

// unreachable says which brokers were tried, or that they answer that they may not.
func (c Config) unreachable(err error) error {
	if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) {
		return fmt.Errorf("the brokers do not let this user ask: %w", err)
	}
	if c.SASL.Mechanism != "" && errors.Is(err, io.EOF) {
		return fmt.Errorf("brokers %v hang up on user %q: is the password right? %w", c.Brokers, c.SASL.User, err)
	}
	return fmt.Errorf("no broker of %v answers: %w", c.Brokers, err)
}
