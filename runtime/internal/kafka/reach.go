package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// probeTime bounds one connection that is made to find out why requests fail.
const probeTime = 2 * time.Second

// Diagnose tells why a request failed, by connecting to the brokers named: the
// address, the network, encryption on one side only, a certificate, or who asks. It
// returns what was seen and what to do. Nothing is sent but a handshake.
func (c Config) Diagnose(ctx context.Context, failed error) (seen, do string) {
	if errors.Is(failed, kerr.SaslAuthenticationFailed) {
		return c.unwelcome()
	}
	for _, broker := range c.Brokers {
		seen, do, through := c.knock(ctx, broker)
		if !through {
			return seen, do
		}
	}
	switch {
	case errors.Is(failed, kerr.UnsupportedSaslMechanism):
		return "the brokers do not know SASL mechanism " + c.SASL.Mechanism, "give another --sasl-mechanism"
	case c.SASL.Mechanism != "" && errors.Is(failed, io.EOF):
		return c.unwelcome()
	case c.SASL.Mechanism == "" && errors.Is(failed, io.EOF):
		return "the brokers hang up on a client without a user", "give --sasl-user and --sasl-password, or the port of another listener"
	}
	return failed.Error(), "the address answers, Kafka requests fail: is it a Kafka listener, and do the advertised addresses lead back to it?"
}

func (c Config) unwelcome() (seen, do string) {
	return fmt.Sprintf("the brokers do not let user %q in", c.SASL.User), "check --sasl-user, --sasl-password and --sasl-mechanism"
}

// knock connects to one broker, encrypted where that is configured. It reports
// through when a request would get as far as asking who it comes from.
func (c Config) knock(ctx context.Context, broker string) (seen, do string, through bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", broker)
	if err != nil {
		return unreached(broker, err)
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(broker)
	if err != nil {
		return err.Error(), "give host:port", false
	}
	conf, err := c.TLS.config()
	if err != nil {
		return err.Error(), "mend the setting", false
	}
	if conf == nil {
		// Whom it is does not matter: nothing is sent to them.
		if tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true}).HandshakeContext(ctx) == nil { //nolint:gosec
			return broker + " speaks TLS, and this configuration does not", "give --tls", false
		}
		return "", "", true
	}
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	return untrusted(broker, conf.ServerName, tls.Client(conn, conf).HandshakeContext(ctx))
}

func unreached(broker string, err error) (seen, do string, through bool) {
	if name := (*net.DNSError)(nil); errors.As(err, &name) {
		return fmt.Sprintf("no address is known for %s", broker), "check the name in --brokers, and the name server", false
	}
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return broker + " does not answer", "check the address, and whether a firewall is between", false
	}
	return err.Error(), "check the address and port, and that the broker runs", false
}

// untrusted tells what is wrong with a handshake.
func untrusted(broker, name string, err error) (seen, do string, through bool) {
	var (
		record   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		alert    tls.AlertError
	)
	switch {
	case err == nil:
		return "", "", true
	case errors.As(err, &record), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return broker + " does not speak TLS", "leave --tls away, or give the port of an encrypted listener", false
	case errors.Is(err, context.DeadlineExceeded):
		return broker + " takes the connection and does not answer as TLS does", "leave --tls away, or give the port of an encrypted listener", false
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s is of an authority that is not trusted", broker), "give the authority's certificate with --tls-ca", false
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate of %s is not for %s", broker, name), "give the name in it with --tls-server-name", false
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s is not valid: %v", broker, err), "have it renewed, or set the clock of this machine right", false
	case errors.As(err, &alert):
		return fmt.Sprintf("%s refuses the handshake: %v", broker, err), "check --tls-cert and --tls-key", false
	}
	return fmt.Sprintf("no TLS with %s: %v", broker, err), "check --tls, --tls-ca and the port", false
}
