package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// failing fails for values of 13.
func failing(g *guest, b *Batch, r *abi.Record) {
	if r.Value == 13 {
		r.Flags = abi.Failed
		return
	}
	mask(g, b, r)
}

const (
	plainBusy  = busy + `{job_name="pay", tm_id="tm-1", torrent_task_id="t-1"}`
	maskedBusy = busy + `{job_name="masked", tm_id="tm-1", torrent_task_id="t-1"}`
)

func busyAt(ts int, v any) string { return rec(ts, "busy", "gauge", fmt.Sprintf(`{"v":%v}`, v)) }

func TestWhatBecomesOfSamplesThatFail(t *testing.T) {
	for onError, tt := range map[string]struct {
		end  ledger.Disposition
		want []string
	}{
		"quarantine": {ledger.Quarantined, nil},
		"drop":       {ledger.Dropped, nil},
		"pass":       {ledger.Out, []string{plainBusy + fmt.Sprintf(" 13 @%d", at(10))}},
	} {
		t.Run(onError, func(t *testing.T) {
			b, g := newTransit(t, setup{team: through1(onError, "failing")}, doing{"failing": failing})
			b.send(busyAt(0, 1), busyAt(10, 13), busyAt(20, 2))
			b.flush()
			want := slices.Concat([]string{maskedBusy + fmt.Sprintf(" 1 @%d", at(0))}, tt.want, []string{maskedBusy + fmt.Sprintf(" 2 @%d", at(20))})
			b.want(want...)
			if n := b.by(tt.end); n != 1 && tt.end != ledger.Out || b.book.Sum().In != 3 {
				t.Errorf("%d %s of %d", n, tt.end, b.book.Sum().In)
			}
			if !slices.Equal(g.opened[0].sizes, []int{3}) {
				t.Errorf("batches of %v", g.opened[0].sizes)
			}
			if onError != "quarantine" {
				return
			}
			if n := b.book.Sum().Rules[ledger.Rule{ID: "platform/t0", Disposition: ledger.Quarantined}]; n != 1 {
				t.Errorf("the rule counts %d", n)
			}
			l := b.letters.records[0]
			for key, want := range map[string]string{
				"sluice-reason": "plugin-record-failed", "sluice-rule": "platform/t0", "sluice-plugin": "sha256:failing", "sluice-src": "in/3/1",
			} {
				if got := headerOf(l, key); got != want {
					t.Errorf("%s %q, want %q", key, got, want)
				}
			}
			g.does["failing"] = mask
			b.engine.Apply(b.generation("r2", through1(onError, "failing")))
			b.send(string(l.Value))
			b.want(maskedBusy + fmt.Sprintf(" 13 @%d", at(10)))
		})
	}
}

func TestAFailureMayStopThePartition(t *testing.T) {
	for name, prepare := range map[string]func(*guests){
		"one record": func(*guests) {},
		"the plugin": func(g *guests) { g.refuse = &program.TransformError{Code: "trap", Message: "no room"} },
		"the worker": func(g *guests) { g.stop = errors.New("the end") },
	} {
		t.Run(name, func(t *testing.T) {
			b, g := newTransit(t, setup{team: through1("stop", "failing")}, doing{"failing": failing})
			b.send(rec(0, "idle", "gauge", `{"v":null}`))
			b.flush()
			prepare(g)
			err := b.worker.Process(t.Context(), []Message{{Value: []byte(busyAt(0, 1)), Offset: 1}, {Value: []byte(busyAt(10, 13)), Offset: 2}})
			if err == nil || !strings.Contains(err.Error(), "in[3] offset 2: transform platform/t0") {
				t.Errorf("err = %v", err)
			}
			if got := b.worker.Acked(); got != 1 {
				t.Errorf("acked %d, want 1", got)
			}
			b.worker.Close()
			b.balanced()
			if n := b.book.Sum().In; n != 1 {
				t.Errorf("%d samples in the ledger, want the one that was acknowledged", n)
			}
		})
	}
}

// What cannot be opened fails, and is asked for again with the next batch.
func TestATransformThatCannotBeOpened(t *testing.T) {
	b, g := newTransit(t, setup{team: through1("quarantine", "mask")}, doing{"mask": mask})
	g.refuse = &program.TransformError{Code: "compile-timeout", Message: "10s"}
	b.send(busyAt(0, 1))
	g.refuse = errors.New("no such file")
	b.send(busyAt(10, 1))
	g.refuse = nil
	b.send(busyAt(20, 1))
	b.flush()
	b.want(maskedBusy + fmt.Sprintf(" 1 @%d", at(20)))
	if got := []string{headerOf(b.letters.records[0], "sluice-reason"), headerOf(b.letters.records[1], "sluice-reason")}; !slices.Equal(got, []string{"plugin-compile-timeout", "plugin-internal"}) {
		t.Errorf("reasons %v", got)
	}
	bare := newBench(t, setup{team: through1("pass", "mask"), plugins: g})
	bare.send(busyAt(0, 1))
	bare.want(plainBusy + fmt.Sprintf(" 1 @%d", at(0)))
}

// Transforms follow each other by order, rewrites stand between them, and a sample
// that fails in a later one is put aside with all that came of it.
func TestTransformsFollowEachOther(t *testing.T) {
	add := func(mark string) func(*guest, *Batch, *abi.Record) {
		return func(g *guest, b *Batch, r *abi.Record) {
			l := label(b, r, "job_name")
			l.Value = g.str(b, b.Strings[l.Value]+mark)
			if mark == "1" {
				g.emit(b, &b.Records[r.Source], "extra")
			} else if r.Value == 13 && b.Strings[r.Name] == busy {
				r.Flags = abi.Failed
			}
		}
	}
	between := func(t *policy.Team) {
		t.Rewrite = map[string]policy.Rewrite{"between": {
			Ordered: policy.Ordered{Enabled: true, Order: 0, Match: policy.Match{Metrics: []string{"*"}}}, Action: "set-label", Label: "between", Value: "yes",
		}, "zz-scale": {
			Ordered: policy.Ordered{Enabled: true, Order: 5, Match: policy.Match{Metrics: []string{"*"}}}, Action: "scale", Factor: 10,
		}, "a-scale": {
			Ordered: policy.Ordered{Enabled: true, Order: -1, Match: policy.Match{Metrics: []string{"*"}}}, Action: "scale", Factor: 2,
		}}
		second := t.Transform["t1"]
		second.Match.Metrics = []string{"*"}
		t.Transform["t1"] = second
	}
	b, g := newTransit(t, setup{team: through1("quarantine", "one two", between)}, doing{"one": add("1"), "two": add("2")})
	b.send(busyAt(0, 1), busyAt(10, 6.5))
	b.flush()
	l := func(name string) string {
		return name + `{between="yes", job_name="pay12", tm_id="tm-1", torrent_task_id="t-1"}`
	}
	b.want(l(busy)+fmt.Sprintf(" 20 @%d", at(0)), l("extra")+fmt.Sprintf(" 20 @%d", at(0)))
	if out, aside, made := b.by(ledger.Out), b.by(ledger.Quarantined), b.book.Sum().Made; out != 1 || aside != 1 || made != 1 {
		t.Errorf("%d out, %d put aside, %d made", out, aside, made)
	}
	if value := string(b.letters.records[0].Value); !strings.Contains(value, `"v":6.5`) || !strings.Contains(value, `"metric":"busy"`) {
		t.Errorf("the letter is %s", value)
	}
	if len(g.opened) != 2 || g.opened[0].name != "one" || !slices.Equal(g.opened[1].sizes, []int{4}) {
		t.Errorf("%d opened", len(g.opened))
	}
}

func TestStepsComeBeforeTransformsAndAggregatesBehind(t *testing.T) {
	every := policy.Match{Metrics: []string{"*"}}
	team := through1("quarantine", "mask", func(t *policy.Team) {
		t.Control = map[string]policy.Control{"thin": {Ordered: policy.Ordered{Enabled: true, Match: every}, Tier: "tenant", Action: "thin", Every: "10s", Pick: "max"}}
		t.Aggregate = map[string]policy.Aggregate{"sum": {Ordered: policy.Ordered{Enabled: true, Match: every}, Keep: []string{"job_name"}, Gauge: "sum", Window: "10s", Late: "5s", Members: "keep"}}
	})
	b, g := newTransit(t, setup{team: team}, doing{"mask": mask})
	b.now = b.now.Add(12 * time.Second)
	b.send(busyAt(0, 1), busyAt(3, 5), busyAt(6, 2), busyAt(10, 3))
	if n := b.by(ledger.Held); n != 1 {
		t.Errorf("%d held", n)
	}
	b.now = b.now.Add(10 * time.Second)
	b.send(busyAt(20, 4))
	if err := b.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, out := b.by(ledger.Thinned), b.by(ledger.Out); n != 2 || out != 3 {
		t.Errorf("%d thinned, %d out", n, out)
	}
	if !slices.Equal(g.opened[0].sizes, []int{1, 1, 1}) {
		t.Errorf("batches of %v, want what its interval or the drain let go", g.opened[0].sizes)
	}
	b.want(maskedBusy+fmt.Sprintf(" 5 @%d", at(3)), maskedBusy+fmt.Sprintf(" 3 @%d", at(10)),
		busy+`{job_name="masked"}`+fmt.Sprintf(" 5 @%d", at(10)), maskedBusy+fmt.Sprintf(" 4 @%d", at(20)))
}

func TestBudgetsCountWhatComesOut(t *testing.T) {
	team := through1("quarantine", "mask", func(t *policy.Team) {
		t.Budget = map[string]policy.Budget{"two": {Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}}, Per: "task", Series: 2, Overflow: "drop"}}
	})
	split := func(g *guest, b *Batch, r *abi.Record) { // each value a series of its own
		label(b, r, "job_name").Value = g.str(b, fmt.Sprint(r.Value))
	}
	b, _ := newTransit(t, setup{team: team}, doing{"mask": split})
	for i := range 3 {
		for ts, v := range []int{1, 2, 3, 1} {
			b.send(busyAt(10*(4*i+ts), v))
		}
	}
	b.flush()
	if n, out := b.by(ledger.OverBudget), b.by(ledger.Out); n != 3 || out != 9 {
		t.Errorf("%d over budget, %d out; want 3 and 9", n, out)
	}
	b.balanced()
	b.now = b.now.Add(time.Hour)
	b.send()
	b.sink.written = nil
	b.send(rec(3600, "busy", "gauge", `{"v":3}`))
	if len(b.sink.written) == 0 || !strings.Contains(b.sink.written[0], `job_name="3"`) {
		t.Errorf("the places of series that are silent are not free: %v", b.sink.written)
	}
}

// A generation that goes or comes takes the series that stay the same along, and
// ends those that do not, with their last series too.
func TestSeriesOverGenerations(t *testing.T) {
	for _, pack := range []bool{false, true} {
		t.Run(fmt.Sprintf("records=%v", pack), func(t *testing.T) {
			none := func() *policy.Team { return &policy.Team{} }
			for name, tt := range map[string]struct {
				from, to *policy.Team
				ends     string // the label job_name of what ends
			}{
				"one that changes nothing comes":  {none(), through1("pass", "nothing"), ""},
				"one that changes nothing goes":   {through1("pass", "nothing"), none(), ""},
				"one that changes a label comes":  {none(), through1("pass", "mask"), "pay"},
				"one that changes a label goes":   {through1("pass", "mask"), none(), "masked"},
				"another takes its place":         {through1("pass", "mask"), through1("pass", "other"), "masked"},
				"it stays":                        {through1("pass", "mask"), through1("pass", "mask"), ""},
				"it gets one behind it":           {through1("pass", "mask"), through1("pass", "mask nothing"), ""},
				"its samples are dropped instead": {through1("pass", "mask"), through1("pass", "away"), "masked"},
			} {
				t.Run(name, func(t *testing.T) {
					other := func(g *guest, b *Batch, r *abi.Record) { label(b, r, "job_name").Value = g.str(b, "other") }
					away := func(_ *guest, _ *Batch, r *abi.Record) { r.Flags = abi.Drop }
					b, g := newTransit(t, setup{team: tt.from, pack: pack}, doing{"mask": mask, "nothing": nothing, "other": other, "away": away})
					b.send(busyAt(0, 1))
					opened := len(g.opened)
					b.engine.Apply(b.generation("r2", tt.to))
					b.send(busyAt(10, 2))
					for _, g := range g.opened[:opened] {
						if !g.closed {
							t.Errorf("%s is open after its generation", g.name)
						}
					}
					lines := b.sink.written
					for _, r := range b.sink.records {
						lines = append(lines, string(r.Value))
					}
					var ends []string
					for _, l := range lines {
						if strings.Contains(l, " stale ") || strings.Contains(l, `"end":true`) {
							ends = append(ends, l)
						}
					}
					if tt.ends == "" && len(ends) > 0 || tt.ends != "" && (len(ends) != 1 || !strings.Contains(ends[0], `"`+tt.ends+`"`)) {
						t.Errorf("ends %v, want that of %q", ends, tt.ends)
					}
					b.flush()
					b.balanced()
					want := 1
					if strings.Contains(name, "dropped") {
						want = 0
					}
					if n := b.sink.open(); !pack && n != want {
						t.Errorf("%d refs are bound, want %d: %v", n, want, b.sink.bound)
					}
					b.sink.written, b.sink.records = nil, nil
					b.send(strings.Replace(rec(20, "busy", "gauge", `{}`), `"points"`, `"end":true,"points"`, 1))
					if n := len(b.sink.written) + len(b.sink.records); n != want {
						t.Errorf("the end becomes %v %v", b.sink.written, b.sink.records)
					}
					if n := b.sink.open(); !pack && n != 0 {
						t.Errorf("%d refs are bound after the end", n)
					}
					b.flush()
					b.balanced()
					if sum := b.book.Sum(); sum.SeriesOut != 0 || sum.SeriesIn != 0 {
						t.Errorf("%d series in, %d out after the end", sum.SeriesIn, sum.SeriesOut)
					}
					x := &b.worker.transit
					if len(x.products.all) != 0 || len(x.words.byText) != 0 || x.products.size != 0 {
						t.Errorf("%d products, %d words, %d bytes are left", len(x.products.all), len(x.words.byText), x.products.size)
					}
				})
			}
		})
	}
}

// Series that come out alike are one, which ends with the last of them.
func TestSeriesThatComeOutAlike(t *testing.T) {
	merge := func(g *guest, b *Batch, r *abi.Record) { label(b, r, "subtask_index").Value = g.str(b, "all") }
	b, _ := newTransit(t, setup{team: through1("pass", "merge")}, doing{"merge": merge})
	b.send(rec(0, "busy", "gauge", `{"s":0,"v":1},{"s":1,"v":2}`))
	if n := b.sink.open(); n != 1 {
		t.Errorf("%d refs", n)
	}
	end := func(ts, s int) string {
		return strings.Replace(rec(ts, "busy", "gauge", fmt.Sprintf(`{"s":%d}`, s)), `"points"`, `"end":true,"points"`, 1)
	}
	b.send(end(10, 0), rec(20, "busy", "gauge", `{"s":1,"v":3}`))
	if got := strings.Join(b.sink.written, "\n"); strings.Contains(got, "stale") {
		t.Errorf("it has ended with the first: %s", got)
	}
	b.send(end(30, 1))
	if last := b.sink.written[len(b.sink.written)-1]; !strings.Contains(last, fmt.Sprintf(`subtask_index="all", tm_id="tm-1", torrent_task_id="t-1"} stale @%d`, at(30))) || b.sink.open() != 0 {
		t.Errorf("the last line is %s", last)
	}
	b.flush()
	b.balanced()
}

func TestWhatComesOutExpires(t *testing.T) {
	split := func(g *guest, b *Batch, r *abi.Record) { label(b, r, "job_name").Value = g.str(b, fmt.Sprint(r.Value)) }
	b, _ := newTransit(t, setup{team: through1("pass", "split"), cache: 1 << 20}, doing{"split": split})
	for i := range 300 {
		b.now = b.now.Add(5 * time.Second)
		b.send(rec(5*i, "busy", "gauge", fmt.Sprintf(`{"v":%d}`, i)))
		b.flush()
	}
	x := &b.worker.transit
	if n := len(x.products.all); n > 130 || n < 30 {
		t.Errorf("%d series are kept after 25 minutes, those of some 5 are to be", n)
	}
	if b.sink.open() != len(x.products.all) {
		t.Errorf("%d refs for %d series", b.sink.open(), len(x.products.all))
	}
	if outs := b.worker.through(&b.worker.cache.last.first).outs; len(outs) > len(x.products.all)+1 {
		t.Errorf("the series remembers %d", len(outs))
	}
	for i := range 20 {
		var points []string
		for j := range 1000 {
			points = append(points, fmt.Sprintf(`{"s":%d,"v":%d}`, j, 1000*i+j))
		}
		b.send(rec(1500+i, "many", "gauge", strings.Join(points, ",")))
		b.flush()
	}
	if have := b.worker.cache.size; have > 1<<20+1<<18 {
		t.Errorf("%d bytes of a cache of %d", have, 1<<20)
	}
	b.balanced()
	if b.book.Sum().Evicted[evictedSpace] == 0 {
		t.Error("nothing made room")
	}
}

// Batches are told where they begin, so that they are the same when they are read again.
func TestBatchesSayWhereTheyBegin(t *testing.T) {
	b, g := newTransit(t, setup{team: through1("pass", "nothing")}, doing{"nothing": nothing})
	b.offset = 40
	var points []string
	for i := range 1500 {
		points = append(points, fmt.Sprintf(`{"s":%d,"v":1}`, i))
	}
	b.send(rec(0, "idle", "gauge", `{"v":null}`), rec(10, "busy", "gauge", strings.Join(points, ",")))
	again := Message{Value: []byte(busyAt(20, 1)), Offset: 50, Replays: []byte("1")}
	if err := b.worker.Process(t.Context(), []Message{again}); err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprint(at(10), " 41 0"), fmt.Sprint(at(10), " 41 0"), fmt.Sprint(at(20), " 50 1")}
	if got := g.opened[0]; !slices.Equal(got.marks, want) || !slices.Equal(got.sizes, []int{1024, 476, 1}) {
		t.Errorf("%v %v, want %v", got.marks, got.sizes, want)
	}
}
