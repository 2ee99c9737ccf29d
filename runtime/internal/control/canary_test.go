package control_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

func TestACanaryBeginsGrowsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		log := topic.Reader(t.Context(), atOnce)
		x := control.NewCanaries(log)
		if c, ok := x.Newest(); ok {
			t.Fatalf("there is one before the first: %+v", c)
		}
		changed := x.Changed()
		c := control.Canary{Digest: "one", Base: "base", By: "ann", Share: 0.1}
		begun, err := x.Change(t.Context(), 0, c, []byte("bundle of one"))
		if err != nil || begun.N != 1 {
			t.Fatalf("%+v, %v", begun, err)
		}
		<-changed
		if bundle, err := x.Bundle("one"); err != nil || string(bundle) != "bundle of one" {
			t.Errorf("%q, %v", bundle, err)
		}
		c.Steps = []float64{0.5}
		if _, err := x.Change(t.Context(), 0, c, nil); !errors.Is(err, control.ErrCanaryChanged) {
			t.Errorf("made against what is no more: %v", err)
		}
		if _, err := x.Change(t.Context(), 1, c, []byte("bundle of one")); err != nil {
			t.Fatal(err)
		}
		c.Ended = "aborted"
		if _, err := x.Change(t.Context(), 2, c, nil); err != nil {
			t.Fatal(err)
		}
		if now, ok := x.Newest(); !ok || now.N != 3 || now.Ended != "aborted" || now.Share != 0.1 {
			t.Errorf("%+v", now)
		}
		if n, m := len(log.List("canary/")), len(log.List("canary-bundle/")); n != 3 || m != 0 {
			t.Errorf("%d records and %d bundles are kept", n, m)
		}
		if _, err := x.Bundle("one"); !errors.Is(err, control.ErrUnknown) {
			t.Errorf("the bundle of a canary that has ended: %v", err)
		}
		topic.Away(true)
		if _, err := x.Change(t.Context(), 3, c, nil); !errors.Is(err, testkit.ErrAway) {
			t.Errorf("error %v", err)
		}
	})
}

// Whatever else lies on the topic, the canary is what an instance has written.
func TestCanariesPassOverWhatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		log := topic.Reader(t.Context(), atOnce)
		x := control.NewCanaries(log)
		for key, value := range map[string]string{
			"canary/current":        `{"digest":"d"}`,
			"canary/0000000009/a":   `{`,
			"canary/0000000009/b":   `{"n":8,"id":"b","digest":"d"}`,
			"canary/0000000009/c":   `{"n":9,"id":"c"}`,
			"canary/0000000009/d":   `{"n":9,"id":"d","digest":"../x"}`,
			"canary-bundle/damaged": `not gzip`,
		} {
			if err := log.Put(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		if c, ok := x.Newest(); ok {
			t.Errorf("%+v", c)
		}
		if _, err := x.Bundle("damaged"); err == nil || errors.Is(err, control.ErrUnknown) {
			t.Errorf("a damaged bundle: %v", err)
		}
		if _, err := x.Change(t.Context(), 0, control.Canary{Digest: "one"}, nil); err != nil {
			t.Fatal(err)
		}
		if n, m := len(log.List("canary/")), len(log.List("canary-bundle/")); n != 1 || m != 1 {
			t.Errorf("%d records and %d bundles are kept", n, m)
		}
	})
}

// Any number of instances change the canary at once, read with any lag, and the log
// is compacted at any point: each number has one winner, all agree on the newest,
// and the bundle of a canary that runs is there.
func TestInstancesAgreeOnTheCanary(t *testing.T) {
	rapid.Check(t, func(draw *rapid.T) {
		f := pushing{
			instances: rapid.IntRange(2, 5).Draw(draw, "instances"),
			pushes:    rapid.IntRange(1, 15).Draw(draw, "changes of each"),
			random:    rand.New(rand.NewPCG(rapid.Uint64().Draw(draw, "seed"), 0)),
			won:       map[int]string{},
		}
		synctest.Test(t, func(*testing.T) { f.runCanaries() })
		for _, what := range f.wrong {
			draw.Error(what)
		}
	})
}

func (f *pushing) runCanaries() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var topic testkit.Topic
	var fleet []*control.Canaries
	var working sync.WaitGroup
	for i := range f.instances {
		x := control.NewCanaries(topic.Reader(ctx, f.someTime))
		fleet = append(fleet, x)
		working.Go(func() { f.changeCanary(ctx, x, i) })
	}
	for range f.pushes {
		time.Sleep(f.someTime())
		topic.Compact()
	}
	working.Wait()
	time.Sleep(time.Hour) // all have read all
	want, _ := fleet[0].Newest()
	if want.N != len(f.won) || f.won[want.N] != want.ID {
		f.errorf("%d have won, the newest is %+v", len(f.won), want)
	}
	for _, x := range append(fleet, control.NewCanaries(topic.Reader(ctx, atOnce))) {
		got, _ := x.Newest()
		if diff := cmp.Diff(want, got); diff != "" {
			f.errorf("instances differ:\n%s", diff)
		}
		if bundle, err := x.Bundle(got.Digest); got.Ended == "" && (err != nil || string(bundle) != got.Digest) {
			f.errorf("bundle of %s: %q, %v", got.Digest, bundle, err)
		}
	}
}

func (f *pushing) changeCanary(ctx context.Context, x *control.Canaries, i int) {
	for n := range f.pushes {
		time.Sleep(f.someTime())
		now, _ := x.Newest()
		next := control.Canary{Digest: now.Digest, Share: 0.5}
		if now.Ended != "" || now.N == 0 {
			next.Digest = fmt.Sprint(i, f.someTime()) // some begin again
		} else if n%3 == 2 {
			next.Ended = "aborted"
		}
		done, err := x.Change(ctx, now.N, next, []byte(next.Digest))
		f.mu.Lock()
		switch {
		case err == nil && f.won[done.N] == "":
			f.won[done.N] = done.ID
		case err == nil:
			f.errorf("two have won change %d", done.N)
		case !errors.Is(err, control.ErrCanaryChanged):
			f.errorf("change: %v", err)
		}
		f.mu.Unlock()
	}
}
