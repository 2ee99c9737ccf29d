package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

var operator = Actor{Name: "ann", Role: RoleOperator}

// send publishes n samples of one task, numbered on from the last call.
func (r instance) send(t *testing.T, from, n int) {
	t.Helper()
	now := time.Now().UnixMilli()
	var values []string
	for i := range n {
		values = append(values, flat("t-1", "m", "gauge", now-int64(10_000)+int64(from+i), "1"))
	}
	r.publish(t, "flink.native", values...)
}

func TestPausedStreamKeepsItsPlaceAndLosesNothing(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	r.send(t, 0, 100)
	r.settled(t, false, "native", 100)

	s, err := r.PauseStream(t.Context(), operator, "native", HaltRequest{Reason: "the store is being moved"})
	if err != nil {
		t.Fatal(err)
	}
	if s.State != StreamPaused || s.Halt == nil || s.Halt.By != "ann" || s.Halt.Reason != "the store is being moved" || !s.Halt.Until.IsZero() {
		t.Errorf("paused: %+v, %+v", s, s.Halt)
	}
	r.send(t, 100, 50)
	eventually(t, func() string { // the lag is asked for every 5 s
		if s, _ := r.Stream("native"); s.Lag != 50 {
			return "the lag does not show what waits"
		}
		return ""
	})
	st := r.Status().Streams["native"]
	if st.Records != 100 {
		t.Errorf("%d records were read while paused", st.Records-100)
	}
	for _, p := range st.Partitions {
		if p.State != StreamPaused {
			t.Errorf("status shows partition %d as %s", p.ID, p.State)
		}
	}
	if err := r.Ready(); err != nil {
		t.Errorf("a pause makes the instance unready: %v", err)
	}
	if s, err = r.ResumeStream(t.Context(), operator, "native"); err != nil || s.State != StreamRunning || s.Halt != nil {
		t.Errorf("resumed: %+v, %v", s, err)
	}
	in := r.settled(t, false, "native", 150)
	if in.Records != 150 || in.SamplesIn != 150 || in.Dispositions["out"] != 150 || in.Imbalance != 0 {
		t.Errorf("after the pause: %+v", in)
	}
}

func TestPauseEndsByItself(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	s, err := r.PauseStream(t.Context(), operator, "native", HaltRequest{Reason: "for a moment", For: time.Second})
	if err != nil || s.Halt != nil && s.Halt.Until.IsZero() { // it may be over already
		t.Fatal(s, err)
	}
	r.send(t, 0, 10)
	r.settled(t, false, "native", 10)
	if s, _ := r.Stream("native"); s.State != StreamRunning || s.Halt != nil {
		t.Errorf("after its time: %+v", s)
	}
	eventually(t, func() string { // which is said after the fact
		if !strings.Contains(r.log.String(), "the time of its pause is over") {
			return "the log does not tell that the stream goes on"
		}
		return ""
	})
}

// A pause that is asked for while one before it ends holds.
func TestAPauseOutlivesTheEndOfTheOneBefore(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	if _, err := r.PauseStream(t.Context(), operator, "native", HaltRequest{Reason: "the second pause"}); err != nil {
		t.Fatal(err)
	}
	h, err := r.streamHopOf("native")
	if err != nil {
		t.Fatal(err)
	}
	r.resume(h) // the first one is over
	if s, err := r.Stream("native"); err != nil || s.State != StreamPaused || s.Halt == nil {
		t.Errorf("%v: %+v", err, s)
	}
}

func TestDrainedStreamHasCommittedEverything(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, simpleSet)
	r := startInstance(t, cfg)
	r.send(t, 0, 500)
	r.settled(t, false, "native", 1)
	s, err := r.DrainStream(t.Context(), operator, "native", HaltRequest{Reason: "the node goes away"})
	if err != nil || s.State != StreamDrained {
		t.Fatal(s, err)
	}
	st := r.Status().Streams["native"]
	if n := st.Dispositions["in-flight"] + st.Dispositions["held"]; n != 0 || st.Imbalance != 0 {
		t.Errorf("drained with %d samples on their way: %+v", n, st)
	}
	var offsets int64
	for _, p := range st.Partitions {
		offsets += max(p.Offset, 0)
	}
	if offsets != int64(st.Records) {
		t.Errorf("%d records read, acknowledged up to %d", st.Records, offsets)
	}
	if _, err := r.ResumeStream(t.Context(), operator, "native"); err != nil {
		t.Fatal(err)
	}
	if in := r.settled(t, false, "native", 500); in.Records != 500 {
		t.Errorf("%d records read in all, want 500", in.Records)
	}
}

func TestStreamRequestsThatAreWrong(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	ctx := t.Context()
	ask := func(f func(context.Context, Actor, string, HaltRequest) (Stream, error), name string, q HaltRequest) error {
		_, err := f(ctx, operator, name, q)
		return err
	}
	for name, c := range map[string]struct{ got, want error }{
		"pause of no stream":      {ask(r.PauseStream, "nativ", HaltRequest{Reason: "a reason"}), ErrNoStream},
		"drain of no stream":      {ask(r.DrainStream, "", HaltRequest{Reason: "a reason"}), ErrNoStream},
		"pause without a reason":  {ask(r.PauseStream, "native", HaltRequest{Reason: "x"}), ErrRejected},
		"drain without a reason":  {ask(r.DrainStream, "native", HaltRequest{}), ErrRejected},
		"reason that is too long": {ask(r.PauseStream, "native", HaltRequest{Reason: strings.Repeat("x", 501)}), ErrRejected},
		"pause for a moment":      {ask(r.PauseStream, "native", HaltRequest{Reason: "a reason", For: time.Millisecond}), ErrRejected},
		"pause for a month":       {ask(r.PauseStream, "native", HaltRequest{Reason: "a reason", For: 31 * 24 * time.Hour}), ErrRejected},
		"drain for an hour":       {ask(r.DrainStream, "native", HaltRequest{Reason: "a reason", Within: time.Hour}), ErrRejected},
		"drain back in time":      {ask(r.DrainStream, "native", HaltRequest{Reason: "a reason", Within: -1}), ErrRejected},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if _, err := r.ResumeStream(ctx, operator, "other"); !errors.Is(err, ErrNoStream) {
		t.Errorf("resume of no stream: %v", err)
	}
	if s := r.Streams(); len(s) != 1 || s[0].State != StreamRunning {
		t.Errorf("something wrong had an effect: %+v", s)
	}
}
