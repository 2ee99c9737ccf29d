package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// guests are plugins of scope sample, by what a rule calls them: what one does to
// one record of a batch.
type guests struct {
	does   map[string]func(g *guest, b *Batch, r *abi.Record)
	opened []*guest
	refuse error // to open
	stop   error // of every batch
}

func (g *guests) Open(rule *policy.Transform) (program.Transformer, error) {
	if g.does[rule.Plugin] == nil {
		return nil, errors.New("it is not here")
	}
	return guestPlugin{name: rule.Plugin}, nil
}

type guestPlugin struct{ name string }

func (p guestPlugin) Plugin() program.Plugin {
	return program.Plugin{Name: p.name, Version: "1.0.0", Digest: "sha256:" + p.name}
}

func (guestPlugin) Series(string, metric.Labels) (program.Transformed, error) {
	return program.Transformed{}, errors.ErrUnsupported
}

func (guestPlugin) Ask(string, metric.Labels) (program.Transformed, error) {
	return program.Transformed{}, errors.ErrUnsupported
}

func (guestPlugin) Samples([]program.Sample) ([]program.SampleOut, uint64, error) {
	return nil, 0, errors.ErrUnsupported
}

// workersGuests opens guests for workers.
type workersGuests struct{ *guests }

func (g workersGuests) Open(t *program.Transform) (Transformer, error) {
	if g.refuse != nil {
		return nil, g.refuse
	}
	name := t.Plugin.Plugin().Name
	x := &guest{all: g.guests, name: name, does: g.does[name]}
	g.opened = append(g.opened, x)
	return x, nil
}

// guest is one of them, opened.
type guest struct {
	all    *guests
	name   string
	does   func(g *guest, b *Batch, r *abi.Record)
	sizes  []int
	marks  []string // of batches: now, sequence, flags
	trials []Trial
	closed bool
	out    []abi.Record
	reused map[string]uint32
}

func (g *guest) Transform(_ context.Context, b *Batch) error {
	if g.closed {
		panic("a guest that is closed is called")
	}
	if g.all.stop != nil {
		return g.all.stop
	}
	seen := map[string]bool{}
	for _, s := range b.Strings {
		if seen[s] {
			panic("a string is there twice: " + s)
		}
		seen[s] = true
	}
	g.sizes = append(g.sizes, len(b.Records))
	g.marks = append(g.marks, fmt.Sprint(b.Now, b.Sequence, b.Flags))
	g.out, g.reused = g.out[:0], map[string]uint32{}
	n := len(b.Records)
	for i := range n {
		g.does(g, b, &b.Records[i])
		switch r := &b.Records[i]; {
		case r.Flags&abi.Failed != 0:
			b.Failed = append(b.Failed, Failure{i, "record-failed", "no"})
		case r.Flags&abi.Drop == 0:
			g.out = append(g.out, *r)
		}
	}
	g.out = append(g.out, b.Records[n:]...)
	b.Records = append(b.Records[:0], g.out...)
	return nil
}

func (g *guest) Close() { g.closed = true }

func (g *guest) Tried(t Trial) { g.trials = append(g.trials, t) }

// str is the number of a string that the guest makes.
func (g *guest) str(b *Batch, s string) uint32 {
	if n, ok := g.reused[s]; ok {
		return n
	}
	b.Strings = append(b.Strings, strings.Clone(s))
	g.reused[s] = uint32(len(b.Strings) - 1)
	return g.reused[s]
}

func label(b *Batch, r *abi.Record, name string) *abi.Pair {
	for i, p := range b.Pairs[r.First:][:r.Labels] {
		if b.Strings[p.Key] == name {
			return &b.Pairs[int(r.First)+i]
		}
	}
	return nil
}

// emit adds a copy of a record with another name.
func (g *guest) emit(b *Batch, r *abi.Record, name string) *abi.Record {
	made := *r
	made.Name, made.First = g.str(b, name), uint32(len(b.Pairs))
	b.Pairs = append(b.Pairs, b.Pairs[r.First:][:r.Labels]...)
	b.Records = append(b.Records, made)
	return &b.Records[len(b.Records)-1]
}

func mask(g *guest, b *Batch, r *abi.Record) {
	if l := label(b, r, "job_name"); l != nil {
		l.Value = g.str(b, "masked")
	}
}

func through1(onError string, plugin string, change ...func(*policy.Team)) *policy.Team {
	team := &policy.Team{Transform: map[string]policy.Transform{}}
	for i, p := range strings.Fields(plugin) {
		team.Transform[fmt.Sprintf("t%d", i)] = policy.Transform{
			Ordered: policy.Ordered{Enabled: true, Order: i, Match: policy.Match{Metrics: []string{"*"}}},
			Plugin:  p, Scope: "sample", OnError: onError,
		}
	}
	for _, f := range change {
		f(team)
	}
	return team
}

// newTransit is a bench whose rules send everything through plugins, in order.
func newTransit(t *testing.T, s setup, does map[string]func(*guest, *Batch, *abi.Record)) (*bench, *guests) {
	t.Helper()
	g := &guests{does: does}
	s.plugins = g
	b := newBench(t, s)
	b.engine.opts.Transforms = workersGuests{g}
	return b, g
}

type doing = map[string]func(*guest, *Batch, *abi.Record)

func nothing(*guest, *Batch, *abi.Record) {}

// Whatever goes through a transform that changes nothing comes out as it would without.
func TestATransformThatChangesNothing(t *testing.T) {
	records := []string{
		rec(0, "numRecordsIn", "counter", `{"s":0,"c":9007199254740993}`),
		rec(0, "busy", "gauge", `{"s":0,"v":1.5},{"s":1,"b":true},{"s":2,"v":"NaN"},{"s":3,"l":{"user":"u"},"v":1}`),
		rec(0, "rate", "meter", `{"s":0,"a":1,"c":10,"r":0.5}`),
		rec(0, "latency", "histogram", `{"s":0,"c":4,"n":4,"min":1,"max":9,"mean":5,"sd":2,"q":{"0.5":4,"0.99":9}}`),
		rec(0, "state", "gauge", `{"s":0,"t":"RUN\"NING"}`),
		rec(10, "busy", "gauge", `{"s":0,"v":2.5},{"s":1,"v":null}`),
		rec(20, "state", "gauge", `{"s":0,"t":"DONE"}`),
		strings.Replace(rec(30, "busy", "gauge", `{"s":0}`), `"points"`, `"end":true,"points"`, 1),
	}
	for _, pack := range []bool{false, true} {
		t.Run(fmt.Sprintf("records=%v", pack), func(t *testing.T) {
			plain := newBench(t, setup{team: &policy.Team{}, pack: pack})
			plain.send(records...)
			want := plain.sink.written
			for _, r := range plain.sink.records {
				want = append(want, string(r.Value))
			}
			b, _ := newTransit(t, setup{team: through1("quarantine", "nothing nothing"), pack: pack}, doing{"nothing": nothing})
			b.send(records...)
			b.flush()
			for _, r := range b.sink.records {
				if got := headerOf(r, "sluice-rev"); got != "r1" {
					t.Errorf("sluice-rev %q", got)
				}
			}
			if !pack { // the end comes when what waits has come out
				slices.Sort(want)
				slices.Sort(b.sink.written)
			}
			b.want(want...)
			if in, out := b.book.Sum().In, b.by(ledger.Out)+b.by(ledger.NoValue); in != out || b.book.Sum().Made != 0 {
				t.Errorf("in %d, out %d, made %d", in, out, b.book.Sum().Made)
			}
		})
	}
}

func headerOf(r Outgoing, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func TestWhatATransformMayDo(t *testing.T) {
	p := "flink_taskmanager_job_task_"
	l := func(job string) string {
		return `{job_name="` + job + `", subtask_index="0", tm_id="tm-1", torrent_task_id="t-1"}`
	}
	now := fmt.Sprint(" @", at(0))
	gauge := rec(0, "busy", "gauge", `{"s":0,"v":2}`)
	histogram := rec(0, "latency", "histogram", `{"s":0,"c":4,"n":4,"min":2,"max":8,"mean":4,"sd":2}`)
	for name, tt := range map[string]struct {
		record string
		does   func(*guest, *Batch, *abi.Record)
		want   []string
		by     map[ledger.Disposition]int64
		made   uint64
	}{
		"another label": {gauge, mask, []string{p + "busy" + l("masked") + " 2" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"another name": {gauge, func(g *guest, b *Batch, r *abi.Record) { r.Name = g.str(b, "busy_seconds") },
			[]string{"busy_seconds" + l("pay") + " 2" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"another value": {gauge, func(g *guest, b *Batch, r *abi.Record) { r.Value /= 1000 },
			[]string{p + "busy" + l("pay") + " 0.002" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"equal bytes": {gauge, func(g *guest, b *Batch, r *abi.Record) { r.Name = g.str(b, p+"busy") },
			[]string{p + "busy" + l("pay") + " 2" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"a counter": {rec(0, "in", "counter", `{"s":0,"c":3}`), func(g *guest, b *Batch, r *abi.Record) { r.Value *= 1.5 },
			[]string{p + "in" + l("pay") + " 5" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"a counter that is no number": {rec(0, "in", "counter", `{"s":0,"c":3}`), func(g *guest, b *Batch, r *abi.Record) { r.Value = math.NaN() },
			nil, map[ledger.Disposition]int64{ledger.NoValue: 1}, 0},
		"a meter keeps its count": {rec(0, "rate", "meter", `{"s":0,"c":10,"r":0.5}`), func(g *guest, b *Batch, r *abi.Record) { r.Value *= 2 },
			[]string{p + "rate" + l("pay") + " 1" + now, p + "rate_count" + l("pay") + " 10" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"a histogram changes by the factor of its mean": {histogram, func(g *guest, b *Batch, r *abi.Record) { r.Value /= 2 },
			[]string{p + "latency_count" + l("pay") + " 4" + now, p + "latency_min" + l("pay") + " 1" + now, p + "latency_max" + l("pay") + " 4" + now,
				p + "latency_mean" + l("pay") + " 2" + now, p + "latency_stddev" + l("pay") + " 1" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"a text": {rec(0, "state", "gauge", `{"s":0,"t":"a"}`), func(g *guest, b *Batch, r *abi.Record) {
			r.Value = math.Float64frombits(uint64(g.str(b, `q"`+b.Strings[math.Float64bits(r.Value)])))
		}, []string{p + `state_info{job_name="pay", subtask_index="0", tm_id="tm-1", torrent_task_id="t-1", value="q\"a"} 1` + now},
			map[ledger.Disposition]int64{ledger.Out: 1}, 0},
		"nothing comes out": {gauge, func(g *guest, b *Batch, r *abi.Record) { r.Flags = abi.Drop }, nil, map[ledger.Disposition]int64{ledger.Dropped: 1}, 0},
		"it fails":          {gauge, func(g *guest, b *Batch, r *abi.Record) { r.Flags = abi.Failed }, nil, map[ledger.Disposition]int64{ledger.Quarantined: 1}, 0},
		"more comes out": {gauge, func(g *guest, b *Batch, r *abi.Record) { g.emit(b, r, "extra").Value = 7 },
			[]string{p + "busy" + l("pay") + " 2" + now, "extra" + l("pay") + " 7" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 1},
		"another takes its place": {gauge, func(g *guest, b *Batch, r *abi.Record) {
			g.emit(b, r, "extra")
			b.Records[r.Source].Flags = abi.Drop
		}, []string{"extra" + l("pay") + " 2" + now}, map[ledger.Disposition]int64{ledger.Out: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newTransit(t, setup{team: through1("quarantine", "p")}, doing{"p": tt.does})
			b.send(tt.record)
			b.flush()
			b.want(tt.want...)
			for d, n := range tt.by {
				if b.by(d) != n {
					t.Errorf("%s: %d, want %d; %v", d, b.by(d), n, b.book.Sum().By)
				}
			}
			if made := b.book.Sum().Made; made != tt.made {
				t.Errorf("made %d, want %d", made, tt.made)
			}
		})
	}
}
