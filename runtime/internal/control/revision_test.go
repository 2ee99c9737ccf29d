package control_test

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func atOnce() time.Duration { return 0 }

func TestPushMakesAHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		r := control.NewRevisions(topic.Reader(t.Context(), atOnce))
		if _, ok := r.Current(); ok || len(r.History()) > 0 {
			t.Error("there is a revision before the first one")
		}
		changed := r.Changed()
		base := "default"
		for _, digest := range []string{"one", "two", "one"} {
			rev := control.Revision{Digest: digest, Base: base, By: "ann", Reason: "because", Origin: control.Origin{Kind: "push"}}
			pushed, err := r.Push(t.Context(), rev, []byte("bundle of "+digest))
			if err != nil || pushed.At.IsZero() {
				t.Fatalf("%+v, %v", pushed, err)
			}
			base = digest
		}
		<-changed
		var got []string
		for _, rev := range r.History() {
			got = append(got, fmt.Sprint(rev.N, rev.Digest, rev.Base, rev.By))
		}
		if diff := cmp.Diff([]string{"3onetwoann", "2twooneann", "1onedefaultann"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if bundle, err := r.Bundle("two"); err != nil || string(bundle) != "bundle of two" {
			t.Errorf("%q, %v", bundle, err)
		}
		if _, err := r.Bundle("three"); !errors.Is(err, control.ErrUnknown) {
			t.Errorf("error %v", err)
		}
		if _, err := r.Push(t.Context(), control.Revision{Digest: "three", Base: "two"}, nil); !errors.Is(err, control.ErrConflict) {
			t.Errorf("an old base: error %v", err)
		}
	})
}

// Whatever else lies on the topic, the history is what instances have pushed.
func TestHistoryPassesOverWhatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		log := topic.Reader(t.Context(), atOnce)
		r := control.NewRevisions(log)
		for key, value := range map[string]string{
			"revision/0000000001/a": `{`,
			"revision/0000000002/b": `{"n":3,"id":"b","digest":"d"}`,
			"revision/0000000003/c": `{"n":3,"id":"c"}`,
			"revision/x":            `{"n":9,"id":"c","digest":"d"}`,
			"revision/-000000001/d": `{"n":-1,"id":"d","digest":"d"}`,
			"revision/0000000004/e": `{"n":4,"id":"e","digest":"../../x"}`,
			"bundle/damaged":        `not gzip`,
		} {
			if err := log.Put(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		if h := r.History(); len(h) > 0 {
			t.Errorf("history %+v", h)
		}
		if _, err := r.Bundle("damaged"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("error %v", err)
		}
		if _, err := r.Push(t.Context(), control.Revision{Digest: "one"}, nil); err != nil {
			t.Fatal(err)
		}
		if left := log.List("revision/"); len(left) != 1 {
			t.Errorf("left %v", left)
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		log := topic.Reader(t.Context(), atOnce)
		r := control.NewRevisions(log)
		push := func(n int, bundle []byte) {
			t.Helper()
			current, _ := r.Current()
			if _, err := r.Push(t.Context(), control.Revision{Digest: fmt.Sprint(n), Base: current.Digest}, bundle); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 130 {
			push(n, nil)
		}
		if h := r.History(); len(h) != control.HistoryLength || h[0].Digest != "129" || h[99].N != 31 {
			t.Errorf("%d in the history, from %+v", len(h), h[0])
		}
		if n := len(log.List("bundle/")); n != control.HistoryLength {
			t.Errorf("%d bundles", n)
		}
		noise := make([]byte, 7<<20)
		if _, err := crand.Read(noise); err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			push(1000+n, noise)
		}
		if h := r.History(); len(h) != 9 { // 9 times 7 MiB is the most below 64
			t.Errorf("%d large ones in the history", len(h))
		}
	})
}

// Any number of instances push at once, read with any lag, and the log is compacted
// at any point: each place has one winner, all agree, and each bundle is there.
func TestInstancesAgreeOnTheHistory(t *testing.T) {
	rapid.Check(t, func(draw *rapid.T) {
		f := pushing{
			instances: rapid.IntRange(2, 5).Draw(draw, "instances"),
			pushes:    rapid.IntRange(1, 40).Draw(draw, "pushes of each"),
			random:    rand.New(rand.NewPCG(rapid.Uint64().Draw(draw, "seed"), 0)),
			won:       map[int]string{},
		}
		synctest.Test(t, func(*testing.T) { f.run() })
		for _, what := range f.wrong {
			draw.Error(what)
		}
	})
}

// pushing is a fleet whose instances push at random times.
type pushing struct {
	instances, pushes int

	mu     sync.Mutex
	random *rand.Rand
	won    map[int]string // id by place
	wrong  []string
}

func (f *pushing) someTime() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Duration(f.random.IntN(50)) * time.Millisecond
}

func (f *pushing) errorf(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func (f *pushing) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var topic testkit.Topic
	var fleet []*control.Revisions
	var working sync.WaitGroup
	for i := range f.instances {
		r := control.NewRevisions(topic.Reader(ctx, f.someTime))
		fleet = append(fleet, r)
		working.Go(func() { f.push(ctx, r, i) })
	}
	for range f.pushes {
		time.Sleep(f.someTime())
		topic.Compact()
	}
	working.Wait()
	time.Sleep(time.Hour) // all have read all
	f.agree(append(fleet, control.NewRevisions(topic.Reader(ctx, atOnce))))
}

func (f *pushing) push(ctx context.Context, r *control.Revisions, i int) {
	for range f.pushes {
		time.Sleep(f.someTime())
		current, _ := r.Current()
		digest := fmt.Sprint(i, f.someTime()) // some are pushed again
		rev, err := r.Push(ctx, control.Revision{Digest: digest, Base: current.Digest}, []byte(digest))
		f.mu.Lock()
		switch {
		case err == nil && f.won[rev.N] == "":
			f.won[rev.N] = rev.ID
		case err == nil:
			f.errorf("two have won place %d", rev.N)
		case !errors.Is(err, control.ErrConflict):
			f.errorf("push: %v", err)
		}
		f.mu.Unlock()
	}
}

func (f *pushing) agree(fleet []*control.Revisions) {
	want := fleet[0].History()
	if len(want) != min(len(f.won), control.HistoryLength) {
		f.errorf("%d in the history, %d have won", len(want), len(f.won))
	}
	for i, rev := range want {
		if rev.N != len(f.won)-i || f.won[rev.N] != rev.ID {
			f.errorf("place %d holds %d", len(f.won)-i, rev.N)
		}
		if i > 0 && want[i-1].Base != rev.Digest {
			f.errorf("revision %d is not made against the one before", want[i-1].N)
		}
	}
	for _, r := range fleet {
		if diff := cmp.Diff(want, r.History()); diff != "" {
			f.errorf("instances differ:\n%s", diff)
		}
		for _, rev := range want {
			if bundle, err := r.Bundle(rev.Digest); err != nil || string(bundle) != rev.Digest {
				f.errorf("bundle of %d: %q, %v", rev.N, bundle, err)
			}
		}
	}
}

func TestPushSaysWhenTheLogIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		r := control.NewRevisions(topic.Reader(t.Context(), atOnce))
		topic.Away(true)
		if _, err := r.Push(t.Context(), control.Revision{Digest: "one"}, nil); !errors.Is(err, testkit.ErrAway) {
			t.Errorf("error %v", err)
		}
	})
}
