package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal notes what happens, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, a ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, a...))
}

// part is ready after start, and returns err takes after it was cancelled or, when
// after is not 0, that long after its start.
type part struct {
	start, takes, after time.Duration
	err                 error
	deaf                bool // never becomes ready
}

func (p part) named(name string, j *journal) Part {
	return Part{Name: name, Run: func(ctx context.Context, ready func()) error {
		j.note("start %s", name)
		defer j.note("end %s", name)
		select {
		case <-time.After(p.start):
		case <-ctx.Done():
			return ctx.Err()
		}
		if !p.deaf {
			j.note("ready %s", name)
			ready()
			ready() // a second call does nothing
		}
		var self <-chan time.Time
		if p.after > 0 {
			self = time.After(p.after)
		}
		select {
		case <-ctx.Done():
			time.Sleep(p.takes)
			if p.err == nil {
				return ctx.Err()
			}
		case <-self:
		}
		return p.err
	}}
}

var errBroken = errors.New("broken")

func TestRun(t *testing.T) {
	type named struct {
		name string
		part
	}
	tests := []struct {
		name   string
		parts  []named
		cancel time.Duration // of the outer context; 0: never
		want   string        // the journal
		err    string        // "" for none
		takes  time.Duration
	}{
		{"in order and in reverse",
			[]named{{"a", part{start: time.Second, takes: time.Second}}, {"b", part{}}, {"c", part{}}}, 5 * time.Second,
			"start a, ready a, start b, ready b, start c, ready c, end c, end b, end a", "", 6 * time.Second},
		{"the failing part is named, the others stop in order",
			[]named{{"a", part{}}, {"b", part{after: time.Second, err: errBroken}}, {"c", part{}}}, 0,
			"start a, ready a, start b, ready b, start c, ready c, end b, end c, end a", "b: broken", time.Second},
		{"a part that is done ends the program",
			[]named{{"a", part{}}, {"b", part{after: time.Second}}}, 0,
			"start a, ready a, start b, ready b, end b, end a", "", time.Second},
		{"errors of the stop are joined behind the cause",
			[]named{{"a", part{err: errors.New("no flush")}}, {"b", part{after: time.Second, err: errBroken}}}, 0,
			"start a, ready a, start b, ready b, end b, end a", "b: broken\na: no flush", time.Second},
		{"cancelled while one starts: the rest never starts",
			[]named{{"a", part{}}, {"b", part{start: time.Minute}}, {"c", part{}}}, time.Second,
			"start a, ready a, start b, end b, end a", "", time.Second},
		{"fails before it is ready",
			[]named{{"a", part{}}, {"b", part{deaf: true, after: time.Second, err: errBroken}}, {"c", part{}}}, 0,
			"start a, ready a, start b, end b, end a", "b: broken", time.Second},
		{"one that is slow to stop does not cost the others their stop",
			[]named{{"a", part{takes: time.Second / 2}}, {"b", part{takes: 11 * time.Second}}, {"c", part{}}}, time.Second,
			"start a, ready a, start b, ready b, start c, ready c, end c, end a, end b", "", 12 * time.Second},
		{"hanging parts are named",
			[]named{{"a", part{}}, {"b", part{takes: time.Hour}}, {"c", part{takes: time.Hour}}, {"d", part{}}}, time.Second,
			"start a, ready a, start b, ready b, start c, ready c, start d, ready d, end d, end a",
			"still running 20s after stop: b, c", 21 * time.Second},
		{"no parts", nil, time.Second, "", "", time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				var parts []Part
				for _, f := range tt.parts {
					parts = append(parts, f.named(f.name, &j))
				}
				ctx := t.Context()
				if tt.cancel > 0 {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, tt.cancel)
					defer stop()
				}
				begin, got := time.Now(), ""
				if err := Run(ctx, 10*time.Second, parts...); err != nil {
					got = err.Error()
				}
				took := time.Since(begin)
				j.mu.Lock()
				lines := strings.Join(j.lines, ", ")
				j.mu.Unlock()
				time.Sleep(2 * time.Hour) // a hanging part ends, too, before its bubble does
				if diff := cmp.Diff([]string{tt.want, tt.err, tt.takes.String()}, []string{lines, got, took.String()}); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

type key struct{}

func TestContextOfAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
		var early context.Context
		err := Run(outer, time.Second,
			Part{"first", func(ctx context.Context, ready func()) error {
				early = ctx
				ready()
				<-ctx.Done()
				return nil
			}},
			Part{"second", func(ctx context.Context, ready func()) error {
				ready()
				stop()
				<-ctx.Done()
				if early.Err() != nil {
					t.Error("the earlier part was cancelled before the later one had returned")
				}
				if ctx.Value(key{}) != "v" {
					t.Error("values of the outer context are lost")
				}
				return nil
			}})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestCancelledByItselfIsAnError(t *testing.T) {
	err := Run(t.Context(), time.Second, Part{"p", func(context.Context, func()) error { return context.Canceled }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a part that gives up by itself must be reported, got %v", err)
	}
}
