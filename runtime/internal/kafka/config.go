package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
)

// Config says how to reach a Kafka cluster. The zero value of everything but
// Brokers is usable: no TLS, no authentication.
type Config struct {
	Brokers    []string // host:port of some brokers; the rest are found
	ClientID   string   // shown in the broker's logs and quotas; "" means "sluice"
	InstanceID string   // static member of a consumer group; "" means a dynamic one
	TLS        TLS
	SASL       SASL
	Log        *slog.Logger // of the client; nil discards

	dial dialer
}

// TLS says how a connection is encrypted. At least TLS 1.2 is spoken and the
// certificate of the broker is always verified.
type TLS struct {
	Enabled    bool
	CA         string // PEM file of the authorities trusted; "" means those of the system
	Cert, Key  string // PEM files of the client; both or none; read again at every handshake
	ServerName string // expected in the broker's certificate; "" means the host dialled
}

// SASL says who connects.
type SASL struct {
	Mechanism string // "", plain, scram-sha-256 or scram-sha-512
	User      string
	Password  Secret
}

// Secret gives a secret when it is needed: at every authentication, so that a
// changed one is taken up without a restart.
type Secret func() (string, error)

// SASL mechanisms.
const (
	SASLPlain       = "plain"
	SASLScramSHA256 = "scram-sha-256"
	SASLScramSHA512 = "scram-sha-512"
)

// ConfigError says which setting is wrong and why. Field is the path of the
// setting in lower case: brokers, tls.ca, sasl.mechanism.
type ConfigError struct {
	Field string
	Err   error
}

func (e *ConfigError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *ConfigError) Unwrap() error { return e.Err }

func wrong(field, format string, args ...any) error {
	return &ConfigError{Field: field, Err: fmt.Errorf(format, args...)}
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Validate reports every mistake, each a *ConfigError, joined. It reads the files
// of TLS but does not connect.
func (c Config) Validate() error {
	_, err := c.options()
	return err
}

func (c Config) checkBrokers() error {
	if len(c.Brokers) == 0 {
		return wrong("brokers", "at least one host:port is needed")
	}
	var errs []error
	for _, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		switch {
		case err != nil:
			errs = append(errs, wrong("brokers", "%q is not host:port", b))
		case host == "" || port == "" || strings.ContainsAny(b, " ,/"):
			errs = append(errs, wrong("brokers", "%q is not host:port", b))
		}
	}
	return errors.Join(errs...)
}

// onLoopback reports whether every broker named is on this machine.
func (c Config) onLoopback() bool {
	for _, b := range c.Brokers {
		host, _, err := net.SplitHostPort(b)
		if err != nil {
			return false
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

func (c Config) checkSASL() error {
	s := c.SASL
	var errs []error
	switch s.Mechanism {
	case "":
		if s.User != "" || s.Password != nil {
			errs = append(errs, wrong("sasl.mechanism", "missing, although a user or password is set; one of %s, %s, %s",
				SASLScramSHA512, SASLScramSHA256, SASLPlain))
		}
		return errors.Join(errs...)
	case SASLPlain:
		if !c.TLS.Enabled && !c.onLoopback() {
			errs = append(errs, wrong("sasl.mechanism", "plain would send the password readable over the network: enable tls, or use %s", SASLScramSHA512))
		}
	case SASLScramSHA256, SASLScramSHA512:
	default:
		errs = append(errs, wrong("sasl.mechanism", "%q is not one of %s, %s, %s", s.Mechanism, SASLScramSHA512, SASLScramSHA256, SASLPlain))
	}
	if s.User == "" {
		errs = append(errs, wrong("sasl.user", "missing"))
	}
	if s.Password == nil {
		errs = append(errs, wrong("sasl.password", "missing"))
	}
	return errors.Join(errs...)
}

func (c Config) logger() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
