package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// broken is a plugin that fails for what it says, and changes nothing else.
type broken struct {
	with map[string]*program.TransformError // by name of the series
}

func (b *broken) Open(*policy.Transform) (program.Transformer, error) { return b, nil }

func (b *broken) Plugin() program.Plugin {
	return program.Plugin{Name: "mask", Version: "1.2.0", Digest: "sha256:77"}
}

func (b *broken) Series(name string, labels metric.Labels) (program.Transformed, error) {
	if err := b.with[name]; err != nil {
		return program.Transformed{}, err
	}
	return program.Transformed{Name: name, Labels: labels}, nil
}

func (b *broken) Ask(name string, labels metric.Labels) (program.Transformed, error) {
	return b.Series(name, labels)
}

func (b *broken) Samples([]program.Sample) ([]program.SampleOut, uint64, error) {
	return nil, 0, errors.ErrUnsupported
}

func masking(onError string) *policy.Team {
	return &policy.Team{Transform: map[string]policy.Transform{"mask": {
		Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}},
		Plugin:  "mask", Scope: "series", OnError: onError,
	}}}
}

const busy = "flink_taskmanager_job_task_busy"

func (w *wire) header(i int, key string) string {
	for _, h := range w.records[i].Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func TestQuarantineKeepsEachSampleToBeSentAgain(t *testing.T) {
	plugin := &broken{with: map[string]*program.TransformError{busy: {Code: "trap", Message: "unreachable"}}}
	b := newBench(t, setup{team: masking("quarantine"), plugins: plugin})
	b.send(
		rec(0, "busy", "gauge", `{"s":0,"a":1,"v":1.5},{"s":1,"a":1,"l":{"user":"a\"b"},"v":2}`),
		rec(0, "idle", "gauge", `{"s":0,"v":3}`),
		rec(10, "busy", "gauge", `{"s":0,"a":1,"v":null}`),
	)
	if n := b.by(ledger.InFlight); n != 3 || b.by(ledger.NoValue) != 1 {
		t.Errorf("%d in flight, %d without a value", n, b.by(ledger.NoValue))
	}
	b.flush()
	b.balanced()
	sum := b.book.Sum()
	if sum.By[ledger.Quarantined] != 2 || sum.By[ledger.Out] != 1 || sum.DeadLetters["plugin-trap"] != 2 ||
		sum.Rules[ledger.Rule{ID: "platform/mask", Disposition: ledger.Quarantined}] != 2 {
		t.Errorf("%v %v %v", sum.By, sum.DeadLetters, sum.Rules)
	}
	if len(b.letters.records) != 2 {
		t.Fatalf("%d letters", len(b.letters.records))
	}
	for key, want := range map[string]string{
		"sluice-reason": "plugin-trap", "sluice-detail": "plugin mask 1.2.0: unreachable", "sluice-rule": "platform/mask",
		"sluice-plugin": "sha256:77", "sluice-src": "in/3/0", "sluice-rev": "r1", "sluice-stage": "test",
	} {
		if got := b.letters.header(1, key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if got := string(b.letters.records[1].Key); got != "t-1\x00busy" {
		t.Errorf("key %q", got)
	}
	again := []string{string(b.letters.records[0].Value), string(b.letters.records[1].Value)}
	whole := newBench(t, setup{})
	whole.send(rec(0, "busy", "gauge", `{"s":0,"a":1,"v":1.5},{"s":1,"a":1,"l":{"user":"a\"b"},"v":2}`))
	b.engine.Apply(b.generation("r2", masking("pass")))
	b.sink.written = nil
	b.send(again...)
	b.want(whole.sink.written...)
}

func TestWhatBecomesOfFailures(t *testing.T) {
	for onError, want := range map[string]ledger.Disposition{
		"drop": ledger.Dropped, "pass": ledger.InFlight, "quarantine": ledger.InFlight,
	} {
		plugin := &broken{with: map[string]*program.TransformError{busy: {Code: "capability", Message: "it writes host"}}}
		b := newBench(t, setup{team: masking(onError), plugins: plugin})
		b.send(rec(0, "busy", "gauge", `{"v":1}`))
		if n := b.by(want); n != 1 || len(b.letters.records) != map[bool]int{true: 1}[onError == "quarantine"] {
			t.Errorf("%s: %d %s, %d letters", onError, n, want, len(b.letters.records))
		}
		b.flush()
		b.balanced()
	}
}

func TestStopLeavesTheOffset(t *testing.T) {
	plugin := &broken{with: map[string]*program.TransformError{busy: {Code: "trap", Message: "unreachable"}}}
	b := newBench(t, setup{team: masking("stop"), plugins: plugin})
	b.send(rec(0, "idle", "gauge", `{"v":1}`))
	b.flush()
	err := b.worker.Process(t.Context(), []Message{{Value: []byte(rec(10, "idle", "gauge", `{"v":1}`)), Offset: 1}, {Value: []byte(rec(10, "busy", "gauge", `{"v":1}`)), Offset: 2}})
	var failed *program.TransformError
	if !errors.As(err, &failed) || failed.Code != "trap" || !strings.Contains(err.Error(), "in[3] offset 2: transform platform/mask stops the partition") {
		t.Fatalf("err = %v", err)
	}
	if got := b.worker.Acked(); got != 1 {
		t.Errorf("acked %d, want 1", got)
	}
	b.worker.Close()
	b.balanced()
}

// What may pass is tried again after a second; what will not is left alone.
func TestTransientFailuresAreTriedAgain(t *testing.T) {
	plugin := &broken{with: map[string]*program.TransformError{
		busy:                              {Code: "deadline", Message: "50ms", Transient: true},
		"flink_taskmanager_job_task_idle": {Code: "trap", Message: "unreachable"},
	}}
	b := newBench(t, setup{team: masking("quarantine"), plugins: plugin})
	both := func(ts int) {
		b.send(rec(ts, "busy", "gauge", `{"v":1}`), rec(ts, "idle", "gauge", `{"v":2}`))
		b.flush()
	}
	both(0)
	clear(plugin.with)
	both(1)
	if n := b.by(ledger.Quarantined); n != 4 {
		t.Errorf("%d quarantined, want 4: it is not time yet", n)
	}
	b.now = b.now.Add(2 * time.Second)
	both(2)
	if n, out := b.by(ledger.Quarantined), b.by(ledger.Out); n != 5 || out != 1 {
		t.Errorf("%d quarantined, %d out", n, out)
	}
	if !slices.ContainsFunc(b.sink.written, func(s string) bool { return strings.HasPrefix(s, busy) }) {
		t.Errorf("%v", b.sink.written)
	}
	b.balanced()
}

func TestTheEndOfWhatFailedIsNoLetter(t *testing.T) {
	plugin := &broken{with: map[string]*program.TransformError{busy: {Code: "trap", Message: "unreachable"}}}
	b := newBench(t, setup{team: masking("quarantine"), plugins: plugin})
	b.send(rec(0, "busy", "gauge", `{"s":0,"v":1}`), strings.Replace(rec(10, "busy", "gauge", `{"s":0}`), `"points"`, `"end":true,"points"`, 1))
	b.flush()
	b.balanced()
	if n, none := b.by(ledger.Quarantined), b.by(ledger.NoValue); n != 1 || none != 1 || len(b.letters.records) != 1 {
		t.Errorf("%d quarantined, %d without a value, %d letters", n, none, len(b.letters.records))
	}
}
