package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	firstWait      = 100 * time.Millisecond
	longestWait    = 30 * time.Second
	longestAsked   = 5 * time.Minute // by Retry-After
	answerBytes    = 4 << 10         // of an answer that are read as its message
	drainBytes     = 256 << 10       // of an answer that are read so that its connection can be used again
	writtenHeader  = "X-Prometheus-Remote-Write-Samples-Written"
	silentAnswerV2 = "the answer has no header " + writtenHeader + ": does the receiver speak protocol 2.0?"
)

// deliver sends a request until its fate is certain: taken, refused, or given
// up. It returns what the receiver has not taken. The error is that of ctx.
func (s *Sink) deliver(ctx context.Context, p *payload, samples int) (loss, error) {
	s.bytes.Add(uint64(len(p.bytes)))
	for try := 1; ; try++ {
		a, err := s.post(ctx, p)
		if err == nil && !a.transient() && !(s.opts.Hold && a.mendable()) {
			s.fault.Store(nil)
			s.requests.Add(1)
			return s.settle(a, samples), nil
		}
		if ctx.Err() != nil {
			return loss{}, context.Cause(ctx)
		}
		if err == nil {
			err = fmt.Errorf("status %d: %s", a.status, a.message)
		}
		if !s.opts.Hold && try == s.opts.Tries {
			s.dropped.Add(uint64(samples))
			return loss{samples, givenUp}, nil
		}
		text := err.Error()
		s.fault.Store(&text)
		s.retries.Add(1)
		select {
		case <-time.After(max(backoff(try), a.wait)):
		case <-ctx.Done():
			return loss{}, context.Cause(ctx)
		}
	}
}

// loss is how many samples of a request a receiver has not taken, and why.
type loss struct {
	samples int
	reason  string
}

// givenUp is the reason for samples of a request that was tried for too long.
const givenUp = "given-up"

// answer is what a receiver said.
type answer struct {
	status  int
	written int // samples, as it says; -1: it does not say
	wait    time.Duration
	message string
}

// transient reports whether the same request may succeed later.
func (a answer) transient() bool {
	return a.status >= 500 || a.status == http.StatusTooManyRequests
}

// mendable reports whether the receiver refuses everybody alike, for a reason that
// an operator can mend: a token that was changed, a path that is not there yet.
func (a answer) mendable() bool {
	return a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusNotFound
}

// settle counts the samples of a request that was answered for good.
func (s *Sink) settle(a answer, samples int) loss {
	taken := a.status >= 200 && a.status < 300
	written := min(a.written, samples)
	var reason Reason
	switch {
	case written < 0 && taken && s.opts.Protocol == V2:
		written, reason, a.message = 0, Unconfirmed, silentAnswerV2
	case written < 0 && taken:
		written = samples
	case taken:
		reason = Partial
	default:
		written, reason = max(written, 0), classify(a.status, a.message)
	}
	s.written.Add(uint64(written))
	refused := samples - written
	if refused == 0 {
		return loss{}
	}
	s.rejected[reason].Add(uint64(refused))
	if s.opts.Rejected != nil {
		s.opts.Rejected(reason, refused, a.message)
	}
	return loss{refused, reason.String()}
}

// post sends the request once. An error means that there was no answer.
func (s *Sink) post(ctx context.Context, p *payload) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opts.URL, p.reader())
	if err != nil {
		return answer{}, errors.New("the request cannot be made") // check has read the same URL
	}
	r.ContentLength = int64(len(p.bytes))
	r.GetBody = func() (io.ReadCloser, error) { return p.reader(), nil }
	r.Header = s.header
	if err := s.authenticate(r); err != nil {
		r.Body.Close()
		return answer{}, err
	}
	res, err := s.opts.Client.Do(r)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL, which may hold a token
		}
		return answer{}, err
	}
	defer res.Body.Close()
	message, _ := io.ReadAll(io.LimitReader(res.Body, answerBytes)) // the status stands, whatever follows
	_, _ = io.CopyN(io.Discard, res.Body, drainBytes)
	return answer{
		status:  res.StatusCode,
		written: written(res.Header.Get(writtenHeader)),
		wait:    retryAfter(res.Header.Get("Retry-After"), time.Now()),
		message: strings.TrimSpace(strings.ToValidUTF8(string(message), "\uFFFD")),
	}, nil
}

// authenticate gives r the headers that hold secrets.
func (s *Sink) authenticate(r *http.Request) error {
	if len(s.secret) == 0 && s.opts.User == "" && s.opts.Password == "" && s.opts.Bearer == "" {
		return nil
	}
	r.Header = s.header.Clone()
	for name, ref := range s.secret {
		value, err := s.opts.Secret(ref)
		if err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
		if strings.ContainsFunc(value, isControl) {
			return fmt.Errorf("header %s: the secret holds control characters", name)
		}
		r.Header.Set(name, value)
	}
	ref := s.opts.Password
	if s.opts.Bearer != "" {
		ref = s.opts.Bearer
	}
	if ref == "" && s.opts.User == "" {
		return nil
	}
	value := ""
	if ref != "" {
		var err error
		if value, err = s.opts.Secret(ref); err != nil {
			return err
		}
	}
	if s.opts.Bearer != "" {
		r.Header.Set("Authorization", "Bearer "+value)
	} else {
		r.SetBasicAuth(s.opts.User, value)
	}
	return nil
}

// backoff returns how long to wait after the n-th attempt: it doubles up to
// longestWait, and half of it is left to chance so that lanes do not return
// together.
func backoff(n int) time.Duration {
	d := longestWait
	if n < 10 {
		d = min(longestWait, firstWait<<(n-1))
	}
	return d/2 + rand.N(d/2)
}

// retryAfter reads a Retry-After header: seconds or a date. What cannot be read
// or lies in the past is no wish.
func retryAfter(h string, now time.Time) time.Duration {
	h = strings.TrimSpace(h)
	var d time.Duration
	if s, err := strconv.ParseUint(h, 10, 32); err == nil {
		d = time.Duration(s) * time.Second
	} else if t, err := http.ParseTime(h); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), longestAsked)
}

// written reads the header that counts the samples written, -1: it says nothing.
func written(h string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(h), 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// payload is a request ready to be sent. Its bytes must not change while a
// transport still reads them, which may be after it returned.
type payload struct {
	bytes   []byte
	readers atomic.Int32
}

func (p *payload) inUse() bool { return p.readers.Load() > 0 }

func (p *payload) reader() io.ReadCloser {
	p.readers.Add(1)
	return &payloadReader{Reader: bytes.NewReader(p.bytes), payload: p}
}

type payloadReader struct {
	*bytes.Reader
	payload *payload
	closed  atomic.Bool
}

func (r *payloadReader) Close() error {
	if !r.closed.Swap(true) {
		r.payload.readers.Add(-1)
	}
	return nil
}
