// Package remotewrite sends series to a URL by the Prometheus remote write
// protocol, 1.0 or 2.0. It keeps the order of every series and says exactly what
// became of every sample; it keeps no queue on disk (the topic it is fed from is
// that) and knows nothing of records, policies or where secrets come from.
package remotewrite

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Protocol is a version of remote write.
type Protocol string

// The protocols spoken: https://prometheus.io/docs/specs/prw/remote_write_spec/
// and remote_write_spec_2_0/.
const (
	V1 Protocol = "1.0"
	V2 Protocol = "2.0"
)

// Options describe one receiver.
type Options struct {
	URL      string   // http or https, without credentials
	Protocol Protocol // "": 1.0
	Client   *http.Client

	// Headers are sent besides those of the protocol. A value env://NAME or
	// file:///path is a reference to a secret, like Password and Bearer.
	Headers map[string]string

	// User and Password, or Bearer, authenticate each request. Password and Bearer
	// are references to secrets, which Secret resolves anew for each request.
	User, Password, Bearer string
	Secret                 func(ref string) (string, error)

	UserAgent  string        // "": sluice
	Timeout    time.Duration // of one request, 0: 30 seconds
	MaxSamples int           // of one request, 0: 5,000
	MaxBytes   int           // of one request before compression, about; 0: 4 MiB

	// Hold retries transient faults for as long as the caller's context lives, and
	// refusals of the sender as such (401, 403, 404) too.
	// Without it a request is dropped after Tries attempts, 0: 5.
	Hold  bool
	Tries int

	// Rejected, when set, hears of samples that the receiver refused for good and
	// why, with up to 4 KiB of its answer. It is called by the lane that sent them,
	// which waits for it.
	Rejected func(reason Reason, samples int, answer string)
}

// What the options left at zero mean.
const (
	defaultTimeout    = 30 * time.Second
	defaultMaxSamples = 5000
	defaultMaxBytes   = 4 << 20
	defaultTries      = 5
)

// Sink is a receiver. All its methods may be called from any goroutine.
type Sink struct {
	opts   Options
	header http.Header       // of every request; never written to
	secret map[string]string // headers that each request gets, by reference
	pool   sync.Pool         // *scratch

	payloads sync.Pool // *payload; a lane has one while it sends

	requests, retries, bytes atomic.Uint64
	written, dropped         atomic.Uint64
	rejected                 [reasons]atomic.Uint64
	fault                    atomic.Pointer[string]
}

// New returns a sink; nothing is sent before the first lane is full or flushed.
// An error says what in the options is wrong.
func New(o Options) (*Sink, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	if o.Protocol == "" {
		o.Protocol = V1
	}
	if o.UserAgent == "" {
		o.UserAgent = "sluice"
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = defaultMaxSamples
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Tries == 0 {
		o.Tries = defaultTries
	}
	s := &Sink{opts: o}
	s.header, s.secret = o.header()
	s.pool.New = func() any { return new(scratch) }
	s.payloads.New = func() any { return new(payload) }
	return s, nil
}

func (o *Options) check() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return errors.New("the URL cannot be read") // it may hold a secret: it is not repeated
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("the URL must begin with http:// or https:// and name a host")
	case u.User != nil:
		return errors.New("the URL must not hold credentials: write basic or bearer with a secret reference")
	case o.Protocol != "" && o.Protocol != V1 && o.Protocol != V2:
		return fmt.Errorf("protocol %q is not known, write 1.0 or 2.0", o.Protocol)
	case o.Client == nil:
		return errors.New("there is no HTTP client")
	case o.Bearer != "" && (o.User != "" || o.Password != ""):
		return errors.New("basic and bearer exclude each other")
	case o.needsSecret() && o.Secret == nil:
		return errors.New("there is nothing to resolve secret references with")
	case o.Timeout < 0 || o.MaxSamples < 0 || o.MaxBytes < 0 || o.Tries < 0:
		return errors.New("timeout, samples, bytes and tries must not be negative")
	}
	return o.checkHeaders()
}

func (o *Options) needsSecret() bool {
	if o.Bearer != "" || o.Password != "" {
		return true
	}
	for _, value := range o.Headers {
		if isReference(value) {
			return true
		}
	}
	return false
}

func isReference(value string) bool {
	return strings.HasPrefix(value, "env://") || strings.HasPrefix(value, "file:///")
}

// checkHeaders refuses what net/http would refuse at each request, and what
// would change the meaning of the request.
func (o *Options) checkHeaders() error {
	for name, value := range o.Headers {
		switch canonical := http.CanonicalHeaderKey(name); {
		case name == "" || strings.ContainsFunc(name, notToken):
			return fmt.Errorf("%q is not a header name", name)
		case strings.ContainsFunc(value, isControl):
			return fmt.Errorf("the value of header %s holds control characters", name)
		case canonical == "Authorization":
			return errors.New("header Authorization would be a secret in plain text: write basic or bearer with a secret reference")
		case slices.Contains(ownHeaders, canonical):
			return fmt.Errorf("header %s belongs to the protocol", name)
		}
	}
	return nil
}

// ownHeaders are those that options must not set.
var ownHeaders = []string{
	"Content-Encoding", "Content-Length", "Content-Type", "Host", "Transfer-Encoding", "X-Prometheus-Remote-Write-Version",
}

// isControl reports whether r cannot be part of the value of a header.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// notToken reports whether r cannot be part of a token (RFC 9110, section 5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// Stats are totals since the sink was made, and its present state.
type Stats struct {
	Requests uint64 // answered with a final word
	Retries  uint64
	Bytes    uint64            // sent, compressed, without retries
	Written  uint64            // samples the receiver took
	Rejected map[string]uint64 // samples it refused for good, by Reason; see Reason for how sure that is
	Dropped  uint64            // samples given up after Tries attempts
	Fault    string            // the last transient fault, "" once the receiver has answered again
}

// Stats returns a snapshot whose numbers may be a request apart.
func (s *Sink) Stats() Stats {
	st := Stats{
		Requests: s.requests.Load(), Retries: s.retries.Load(), Bytes: s.bytes.Load(),
		Written: s.written.Load(), Dropped: s.dropped.Load(), Rejected: map[string]uint64{},
	}
	for r := range s.rejected {
		if n := s.rejected[r].Load(); n > 0 {
			st.Rejected[Reason(r).String()] = n
		}
	}
	if f := s.fault.Load(); f != nil {
		st.Fault = *f
	}
	return st
}

// Lane implements engine.SampleSink.
func (s *Sink) Lane(engine.Partition) (engine.Lane, error) { return newLane(s), nil }

// header returns what every request carries, and the references to secrets among
// the headers that were asked for. What authenticates is in neither.
func (o *Options) header() (h http.Header, secret map[string]string) {
	h, secret = http.Header{}, map[string]string{}
	for name, value := range o.Headers {
		if isReference(value) {
			secret[name] = value
		} else {
			h.Set(name, value)
		}
	}
	h.Set("User-Agent", o.UserAgent)
	h.Set("Content-Encoding", "snappy")
	if o.Protocol == V2 {
		h.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		h.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	} else {
		h.Set("Content-Type", "application/x-protobuf")
		h.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	}
	return h, secret
}
