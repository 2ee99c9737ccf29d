package remotewrite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
)

const writtenHeader = "X-Prometheus-Remote-Write-Samples-Written"

// script answers one request after the other and keeps when they came.
type script struct {
	answers []func(*http.Request) (*http.Response, error)
	at      []time.Duration
	start   time.Time
}

func (s *script) serve(r *http.Request) (*http.Response, error) {
	n := len(s.at)
	s.at = append(s.at, time.Since(s.start))
	if n >= len(s.answers) {
		return nil, fmt.Errorf("request %d is not in the script", n+1)
	}
	return s.answers[n](r)
}

func says(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return answer(status, body, headers...), nil }
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestTransientFaultsAreRetried(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		name     string
		first    func() func(*http.Request) (*http.Response, error)
		min, max time.Duration // until the second request
	}{
		{"500", func() func(*http.Request) (*http.Response, error) { return says(500, "oops") }, 50 * time.Millisecond, 100 * time.Millisecond},
		{"503 with Retry-After", func() func(*http.Request) (*http.Response, error) { return says(503, "", "Retry-After", "7") }, 7 * time.Second, 7 * time.Second},
		{"429 with Retry-After", func() func(*http.Request) (*http.Response, error) { return says(429, "", "Retry-After", "3") }, 3 * time.Second, 3 * time.Second},
		{"429 with a date", func() func(*http.Request) (*http.Response, error) {
			return says(429, "", "Retry-After", date(9*time.Second))
		}, 8 * time.Second, 9 * time.Second},
		{"429 with a date gone by", func() func(*http.Request) (*http.Response, error) {
			return says(429, "", "Retry-After", date(-time.Hour))
		}, 50 * time.Millisecond, 100 * time.Millisecond},
		{"429 with nonsense", func() func(*http.Request) (*http.Response, error) { return says(429, "", "Retry-After", "soon") }, 50 * time.Millisecond, 100 * time.Millisecond},
		{"429 for ever", func() func(*http.Request) (*http.Response, error) {
			return says(429, "", "Retry-After", "4000000000")
		}, 5 * time.Minute, 5 * time.Minute},
		{"timeout", func() func(*http.Request) (*http.Response, error) { return hangs }, 10 * time.Second, 10*time.Second + 100*time.Millisecond},
		{"no connection", func() func(*http.Request) (*http.Response, error) { return fails(errors.New("connection refused")) }, 50 * time.Millisecond, 100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := &script{start: time.Now(), answers: []func(*http.Request) (*http.Response, error){c.first(), says(200, "")}}
				s := newSink(t, sc.serve, remotewrite.Options{Hold: true, Timeout: 10 * time.Second})
				l := openLane(t, s)
				write(t, l, engine.Sample{Ref: l.Bind(series("a"))})
				if len(sc.at) != 2 || sc.at[1] < c.min || sc.at[1] > c.max {
					t.Errorf("requests at %v, want the second between %v and %v", sc.at, c.min, c.max)
				}
				if st := s.Stats(); st.Written != 1 || st.Retries != 1 || st.Dropped != 0 || st.Fault != "" {
					t.Errorf("stats %+v", st)
				}
			})
		})
	}
}

func TestHoldRetriesUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := false
		requests := 0
		s := newSink(t, func(*http.Request) (*http.Response, error) {
			if requests++; up {
				return answer(200, ""), nil
			}
			return answer(500, "down for maintenance"), nil
		}, remotewrite.Options{Hold: true})
		l := openLane(t, s)
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := l.Write(ctx, []engine.Sample{{Ref: l.Bind(series("a"))}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the context", err)
		}
		if requests < 120 || requests > 250 { // every 15 to 30 s once it has slowed down
			t.Errorf("%d requests in an hour", requests)
		}
		if st := s.Stats(); !strings.Contains(st.Fault, "down for maintenance") || st.Written+st.Dropped != 0 {
			t.Errorf("stats %+v", st)
		}
		up = true // what was not sent is still there
		if err := l.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Written != 1 || st.Fault != "" {
			t.Errorf("stats %+v", st)
		}
	})
}

// A receiver that refuses the sender as such can be mended: a level that holds
// waits for that, any other counts the samples as refused.
func TestARefusedSenderIsHeld(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		for _, hold := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d hold=%v", status, hold), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sc := &script{start: time.Now(), answers: []func(*http.Request) (*http.Response, error){says(status, ""), says(200, "")}}
					s := newSink(t, sc.serve, remotewrite.Options{Hold: hold})
					l := openLane(t, s)
					write(t, l, engine.Sample{Ref: l.Bind(series("a"))})
					st := s.Stats()
					if hold && (st.Written != 1 || st.Retries != 1) {
						t.Errorf("written %d after %d retries, want 1 after 1", st.Written, st.Retries)
					}
					if !hold && (st.Written != 0 || st.Rejected["unauthorized"]+st.Rejected["unsupported"] != 1) {
						t.Errorf("written %d, rejected %v, want 0 and 1", st.Written, st.Rejected)
					}
				})
			})
		}
	}
}

func TestWithoutHoldARequestIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := says(500, "")
		sc := &script{start: time.Now(), answers: []func(*http.Request) (*http.Response, error){down, hangs, fails(io.ErrUnexpectedEOF), says(200, "")}}
		s := newSink(t, sc.serve, remotewrite.Options{Tries: 3})
		l := openLane(t, s)
		ref := l.Bind(series("a"))
		write(t, l, engine.Sample{Ref: ref, Time: 1}, engine.Sample{Ref: ref, Time: 2})
		if st := s.Stats(); st.Dropped != 2 || st.Retries != 2 || st.Written != 0 {
			t.Errorf("stats %+v", st)
		}
		write(t, l, engine.Sample{Ref: ref, Time: 3})
		if st := s.Stats(); st.Dropped != 2 || st.Written != 1 {
			t.Errorf("the stream did not go on: %+v", st)
		}
	})
}

func TestRefusals(t *testing.T) {
	type refusal struct {
		Reason  string
		Samples int
	}
	for _, c := range []struct {
		name     string
		protocol remotewrite.Protocol
		answer   func(*http.Request) (*http.Response, error)
		want     refusal // of three samples
	}{
		{"out of order", "1.0", says(400, "out of order sample"), refusal{"out-of-order", 3}},
		{"out of order, Mimir", "1.0", says(400, "the sample has been rejected (err-mimir-sample-out-of-order)"), refusal{"out-of-order", 3}},
		{"duplicate", "1.0", says(400, "Duplicate sample for timestamp"), refusal{"duplicate", 3}},
		{"too old", "1.0", says(400, "too old sample"), refusal{"too-old", 3}},
		{"out of bounds", "1.0", says(400, "out of bounds"), refusal{"too-old", 3}},
		{"future", "1.0", says(400, "timestamp too far in the future"), refusal{"too-new", 3}},
		{"something else", "1.0", says(400, "label name invalid"), refusal{"invalid", 3}},
		{"conflict", "1.0", says(409, ""), refusal{"invalid", 3}},
		{"too large", "1.0", says(413, ""), refusal{"too-large", 3}},
		{"says how many", "1.0", says(400, "out of order sample", writtenHeader, "2"), refusal{"out-of-order", 1}},
		{"2.0 partial", "2.0", says(400, "out of order sample", writtenHeader, "1"), refusal{"out-of-order", 2}},
		{"2.0 partial without complaint", "2.0", says(200, "", writtenHeader, "2"), refusal{"partial", 1}},
		{"2.0 unconfirmed", "2.0", says(204, ""), refusal{"unconfirmed", 3}},
		{"2.0 nonsense", "2.0", says(204, "", writtenHeader, "-5"), refusal{"unconfirmed", 3}},
		{"2.0 more than sent", "2.0", says(204, "", writtenHeader, "99"), refusal{}},
		{"2.0 all", "2.0", says(204, "", writtenHeader, "3"), refusal{}},
		{"2.0 unsupported", "2.0", says(415, ""), refusal{"unsupported", 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var heard []refusal
			requests := 0
			s := newSink(t, func(r *http.Request) (*http.Response, error) {
				requests++
				return c.answer(r)
			}, remotewrite.Options{Protocol: c.protocol, Hold: true, Rejected: func(reason remotewrite.Reason, samples int, _ string) {
				heard = append(heard, refusal{reason.String(), samples})
			}})
			l := openLane(t, s)
			a, b := l.Bind(series("a")), l.Bind(series("b"))
			write(t, l, engine.Sample{Ref: a, Time: 1}, engine.Sample{Ref: a, Time: 2}, engine.Sample{Ref: b, Time: 1})

			var want []refusal
			rejected := map[string]uint64{}
			if c.want.Samples > 0 {
				want = []refusal{c.want}
				rejected[c.want.Reason] = uint64(c.want.Samples)
			}
			if diff := cmp.Diff(want, heard); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			st := s.Stats()
			if diff := cmp.Diff(rejected, st.Rejected); diff != "" {
				t.Errorf("rejected (-want +got):\n%s", diff)
			}
			if st.Written != uint64(3-c.want.Samples) || st.Retries != 0 || requests != 1 {
				t.Errorf("stats %+v after %d requests", st, requests)
			}
		})
	}
}

func TestRejectedHearsTheAnswerWithinBounds(t *testing.T) {
	var got string
	s := newSink(t, says(400, "bad \xff "+strings.Repeat("x", 1<<20)), remotewrite.Options{
		Rejected: func(_ remotewrite.Reason, _ int, answer string) { got = answer },
	})
	l := openLane(t, s)
	write(t, l, engine.Sample{Ref: l.Bind(series("a"))})
	if !strings.HasPrefix(got, "bad \uFFFD x") || len(got) > 4<<10+2 {
		t.Errorf("%d bytes, beginning %q", len(got), got[:min(len(got), 20)])
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	s := newSink(t, nil, remotewrite.Options{URL: server.URL, Client: client})
	l := openLane(t, s)
	write(t, l, engine.Sample{Ref: l.Bind(series("a"))})
	if st := s.Stats(); st.Rejected["redirected"] != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestConnectionReset(t *testing.T) {
	var mu sync.Mutex
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if requests++; requests > 2 {
			decodeV1(t, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0) // a reset instead of an orderly end
		conn.Close()
	}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	s := newSink(t, nil, remotewrite.Options{URL: server.URL, Client: client, Hold: true})
	l := openLane(t, s)
	write(t, l, engine.Sample{Ref: l.Bind(series("a"))})
	if st := s.Stats(); st.Written != 1 || st.Retries == 0 {
		t.Errorf("stats %+v", st)
	}
}

// Every series arrives complete and in order, whatever fails in between; a
// request whose answer was lost may arrive twice, as a whole.
func TestOrderPerSeriesSurvivesFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		newest := map[string]int64{}
		s := newSink(t, func(r *http.Request) (*http.Response, error) {
			switch rnd.IntN(4) {
			case 0:
				return answer(503, "", "Retry-After", "1"), nil
			case 1:
				return nil, io.ErrUnexpectedEOF // before it was taken
			}
			lost := rnd.IntN(3) == 0
			for _, ts := range decodeV1(t, r).Timeseries {
				name := ts.Labels[0].Value
				if !slices.IsSortedFunc(ts.Samples, func(a, b prompbSample) int { return int(a.Timestamp - b.Timestamp) }) {
					t.Errorf("%s: out of order within a request", name)
				}
				if first := ts.Samples[0].Timestamp; first > newest[name]+1 {
					t.Errorf("%s: from %d to %d", name, newest[name], first)
				}
				newest[name] = max(newest[name], ts.Samples[len(ts.Samples)-1].Timestamp)
			}
			if lost {
				return nil, io.ErrUnexpectedEOF // after it was taken
			}
			return answer(200, ""), nil
		}, remotewrite.Options{Hold: true, MaxSamples: 7})
		l := openLane(t, s)
		var refs []engine.Ref
		for i := range 5 {
			refs = append(refs, l.Bind(series(fmt.Sprintf("s%d", i))))
		}
		const last = 100
		next := make([]int64, len(refs))
		for done := 0; done < len(refs); {
			i := rnd.IntN(len(refs))
			if next[i] == last {
				continue
			}
			if next[i]++; next[i] == last {
				done++
			}
			if err := l.Write(context.Background(), []engine.Sample{{Ref: refs[i], Time: next[i]}}); err != nil {
				t.Fatal(err)
			}
		}
		write(t, l)
		for name, n := range newest {
			if n != last {
				t.Errorf("%s ends at %d, want %d", name, n, last)
			}
		}
		if st := s.Stats(); st.Written != last*uint64(len(refs)) {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAuthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var token string
		var there time.Time // from when on the secret exists
		secret := func(ref string) (string, error) {
			if time.Now().Before(there) {
				return "", fmt.Errorf("secret %s is empty", ref)
			}
			return token, nil
		}
		for _, c := range []struct {
			opts remotewrite.Options
			want string
		}{
			{remotewrite.Options{Bearer: "env://T"}, "Bearer tok-1"},
			{remotewrite.Options{User: "me", Password: "env://T"}, "Basic bWU6dG9rLTE="},
			{remotewrite.Options{User: "me"}, "Basic bWU6"},
		} {
			var got []string
			c.opts.Secret, c.opts.Hold = secret, true
			s := newSink(t, func(r *http.Request) (*http.Response, error) {
				got = append(got, r.Header.Get("Authorization"))
				return answer(200, ""), nil
			}, c.opts)
			l := openLane(t, s)
			ref := l.Bind(series("a"))
			token, there = "tok-1", time.Now().Add(time.Minute) // is waited for
			write(t, l, engine.Sample{Ref: ref})
			if !slices.Equal(got, []string{c.want}) {
				t.Errorf("Authorization %q, want %q", got, c.want)
			}
			token = "tok-2"
			write(t, l, engine.Sample{Ref: ref, Time: 1})
			if c.opts.Bearer != "" && got[1] != "Bearer tok-2" {
				t.Errorf("after the secret changed: %q", got[1])
			}
		}
	})
}

// A header may be a reference to a secret, which is resolved for each request and
// told to nobody else.
func TestSecretHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := ""
		var s *remotewrite.Sink
		var got []string
		opts := remotewrite.Options{
			Headers: map[string]string{"x-api-key": "env://KEY", "X-Tenant": "plain"},
			Hold:    true,
			Secret: func(ref string) (string, error) {
				if key == "" {
					key = "key-1" // there at the second attempt
					return "", fmt.Errorf("secret %s is empty", ref)
				}
				return key, nil
			},
		}
		s = newSink(t, func(r *http.Request) (*http.Response, error) {
			got = append(got, r.Header.Get("X-Api-Key")+" "+r.Header.Get("X-Tenant")+" "+r.Header.Get("Content-Encoding")+r.Header.Get("Authorization"))
			if f := s.Stats().Fault; f != "header x-api-key: secret env://KEY is empty" && f != "" {
				t.Errorf("fault %q", f)
			}
			return answer(200, ""), nil
		}, opts)
		l := openLane(t, s)
		ref := l.Bind(series("a"))
		write(t, l, engine.Sample{Ref: ref})
		key = "key-2"
		write(t, l, engine.Sample{Ref: ref, Time: 1})
		if want := []string{"key-1 plain snappy", "key-2 plain snappy"}; !slices.Equal(got, want) {
			t.Errorf("headers %q, want %q", got, want)
		}
		key = "two\nlines" // no header value: it is not sent, and the fault does not repeat it
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := errors.Join(l.Write(ctx, []engine.Sample{{Ref: ref, Time: 2}}), l.Flush(ctx)); err == nil {
			t.Error("a secret with a line break was sent")
		}
		if f := s.Stats().Fault; f == "" || strings.Contains(f, "lines") {
			t.Errorf("fault %q, want one without the secret", f)
		}
	})
}

// A transport may read a body after it has answered; the request must not change
// under its hands.
func TestEarlyAnswer(t *testing.T) {
	var early io.ReadCloser
	var first []byte
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if early == nil {
			early = r.Body
			again, err := r.GetBody()
			if err != nil {
				t.Fatal(err)
			}
			first, _ = io.ReadAll(again)
			again.Close()
		} else {
			r.Body.Close()
		}
		return answer(200, ""), nil
	})
	s := newSink(t, nil, remotewrite.Options{Client: &http.Client{Transport: transport}})
	l := openLane(t, s)
	ref := l.Bind(series("a"))
	write(t, l, engine.Sample{Ref: ref, Time: 1, Value: 1})
	write(t, l, engine.Sample{Ref: ref, Time: 2, Value: 2})
	late, err := io.ReadAll(early)
	if err != nil || string(late) != string(first) {
		t.Error("the first request changed while it was still being read")
	}
	early.Close()
	early.Close()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
