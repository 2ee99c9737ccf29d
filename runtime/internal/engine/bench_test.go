package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/examples/data"
	"github.com/sluice-metrics/sluice/runtime/internal/fleet"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// null is a sink of both kinds that takes everything and keeps nothing.
type null struct{ refs Ref }

func (n *null) Lane(Partition) (Lane, error)             { return n, nil }
func (n *null) RecordLane(Partition) (RecordLane, error) { return nullRecords{}, nil }
func (n *null) Bind(Series) Ref                          { n.refs++; return n.refs }
func (n *null) Release(Ref)                              {}
func (n *null) Write(context.Context, []Sample) error    { return nil }
func (n *null) Flush(context.Context) error              { return nil }
func (n *null) Close()                                   {}

type nullRecords struct{}

func (nullRecords) Write(context.Context, Outgoing) error { return nil }
func (nullRecords) Flush(context.Context) error           { return nil }
func (nullRecords) Close()                                {}

// messages are records as a source hands them over.
func messages(records [][]byte) []Message {
	out := make([]Message, len(records))
	for i, r := range records {
		out[i] = Message{Key: []byte("k"), Value: r, Offset: int64(i)}
	}
	return out
}

func workload(tasks int) []Message { return messages(testkit.Flat(tasks)) }
func grouped(tasks int) []Message  { return messages(testkit.Grouped(tasks)) }

func rules(n int) *policy.Team {
	team := testkit.Policy(n)
	return &team
}

func benchmarkWorker(b *testing.B, records bool, nrules int, batch []Message) {
	benchmarkTeam(b, records, rules(nrules), batch)
}

func benchmarkTeam(b *testing.B, records bool, team *policy.Team, batch []Message) {
	t := &testing.T{}
	s := newBench(t, setup{team: team, pack: records, cache: 1 << 40, plugins: &broken{}})
	sink := &null{}
	s.engine.opts.Samples, s.engine.opts.Records = sink, nil
	if records {
		s.engine.opts.Samples, s.engine.opts.Records = nil, sink
	}
	w, err := s.engine.Open(Partition{Topic: "in", Count: 8})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	run := func() {
		for from := 0; from < len(batch); from += 2000 {
			if err := w.Process(ctx, batch[from:min(from+2000, len(batch))]); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}
	run()
	b.ReportAllocs()
	b.SetBytes(int64(len(batch[0].Value)))
	for i := 0; b.Loop(); i++ {
		from := i * 2000 % (len(batch) - 1999)
		if err := w.Process(ctx, batch[from:from+2000]); err != nil {
			b.Fatal(err)
		}
		if err := w.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/record")
}

func BenchmarkFlatToSamples(b *testing.B) {
	batch := workload(2000)
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) { benchmarkWorker(b, false, n, batch) })
	}
}

// A transform of scope series costs nothing once the series are known.
func BenchmarkFlatToSamplesTransformed(b *testing.B) {
	team := rules(10)
	team.Transform = masking("stop").Transform
	benchmarkTeam(b, false, team, workload(2000))
}

// BenchmarkSeriesTransform: what that nothing is, beside others on the machine: workers
// take turns with short batches, and the quickest twentieth says what one takes. There are
// two of each kind, since where one lies in memory makes more of a difference.
func BenchmarkSeriesTransform(b *testing.B) {
	const part = 200
	batch, team := workload(2000), rules(10)
	team.Transform = masking("stop").Transform
	turns := []struct {
		name string
		team *policy.Team
		took []time.Duration
		run  func(from, n int)
	}{{name: "without", team: rules(10)}, {name: "with", team: team}, {name: "without", team: rules(10)}, {name: "with", team: team}}
	for i := range turns {
		s := newBench(&testing.T{}, setup{team: turns[i].team, cache: 1 << 40, plugins: &broken{}})
		s.engine.opts.Samples, s.engine.opts.Records = &null{}, nil
		w, err := s.engine.Open(Partition{Topic: "in", Count: 8})
		if err != nil {
			b.Fatal(err)
		}
		turns[i].run = func(from, n int) {
			if err := errors.Join(w.Process(b.Context(), batch[from:from+n]), w.Flush(b.Context())); err != nil {
				b.Fatal(err)
			}
		}
		for from := 0; from+2000 <= len(batch); from += 2000 {
			turns[i].run(from, 2000)
		}
	}
	for n := 0; b.Loop(); n++ {
		for i := range turns {
			at := time.Now()
			turns[i].run(n*part%(len(batch)-part), part)
			turns[i].took = append(turns[i].took, time.Since(at))
		}
	}
	quickest := map[string]time.Duration{}
	for _, t := range turns {
		slices.Sort(t.took)
		if q, ok := quickest[t.name]; !ok || t.took[len(t.took)/20] < q {
			quickest[t.name] = t.took[len(t.took)/20]
		}
	}
	for name, q := range quickest {
		b.ReportMetric(float64(q.Nanoseconds())/part, name+"-ns/record")
	}
}

func BenchmarkFlatToRecords(b *testing.B) { benchmarkWorker(b, true, 10, workload(2000)) }

func BenchmarkGroupedToRecords(b *testing.B) {
	benchmarkWorker(b, true, 10, grouped(500))
}

func BenchmarkGroupedToSamples(b *testing.B) {
	benchmarkWorker(b, false, 10, grouped(500))
}

func TestASteadyStateAllocatesNothing(t *testing.T) {
	for name, batch := range map[string][]Message{"flat": workload(20), "grouped": grouped(20)} {
		for _, records := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,records=%v", name, records), func(t *testing.T) {
				s := newBench(t, setup{team: rules(10), pack: records})
				s.engine.opts.Samples, s.engine.opts.Records = &null{}, nil
				if records {
					s.engine.opts.Samples, s.engine.opts.Records = nil, &null{}
				}
				w, err := s.engine.Open(Partition{Topic: "in", Count: 1})
				if err != nil {
					t.Fatal(err)
				}
				pass := func() {
					if err := w.Process(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
					if err := w.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				pass()
				pass()
				if n := testing.AllocsPerRun(20, pass); n > 0 {
					t.Errorf("%g allocations for %d records, want 0", n, len(batch))
				}
			})
		}
	}
}

// BenchmarkMemoryPerSeries reports what one cached series costs, sinks aside.
func BenchmarkMemoryPerSeries(b *testing.B) {
	for name, records := range map[string]bool{"samples": false, "records": true} {
		b.Run(name, func(b *testing.B) {
			batch := workload(2000)
			for b.Loop() {
				s := newBench(&testing.T{}, setup{team: rules(10), cache: 1 << 40, pack: records})
				s.engine.opts.Samples, s.engine.opts.Records = &null{}, nil
				if records {
					s.engine.opts.Samples, s.engine.opts.Records = nil, &null{}
				}
				w, _ := s.engine.Open(Partition{Topic: "in", Count: 8})
				before := heap()
				for from := 0; from < len(batch); from += 2000 {
					if err := w.Process(context.Background(), batch[from:from+2000]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Flush(context.Background()); err != nil {
					b.Fatal(err)
				}
				n := float64(len(batch))
				b.ReportMetric(float64(heap()-before)/n, "B/series")
				b.ReportMetric(float64(w.cache.size)/n, "accounted-B/series")
				runtime.KeepAlive(batch)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// merging are teams by what they make of the load's series: admitted to two
// budgets, merged by a budget, or by an aggregate over the attempts of subtasks.
func merging() map[string]*policy.Team {
	all := policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}}
	teams := map[string]*policy.Team{}
	for name, n := range map[string]int{"admitted": 1_000_000, "overflow": 1} {
		t := rules(10)
		t.Budget = map[string]policy.Budget{
			"task":   {Ordered: all, Per: "task", Series: n, Overflow: "merge"},
			"metric": {Ordered: all, Per: "metric", Series: 1_000_000, Overflow: "merge"},
		}
		teams[name] = t
	}
	t := rules(10)
	t.Budget = map[string]policy.Budget{"rate": {Ordered: all, Per: "task", SamplesPerSecond: 1e9, Overflow: "merge"}}
	teams["rate"] = t
	t = rules(10)
	t.Aggregate = map[string]policy.Aggregate{"task": {
		Ordered: all, Keep: []string{"torrent_task_id", "job_name"}, Gauge: "sum", Window: "10s", Late: "5s", Members: "drop",
	}}
	teams["aggregated"] = t
	return teams
}

// reports are n reports of a load, ten seconds apart.
func reports(load []Message, n int) (out [][]Message) {
	for i := range n {
		batch := make([]Message, len(load))
		for j, m := range load {
			_, value := testkit.Report([][]byte{m.Value}, i)
			batch[j] = Message{Key: m.Key, Value: value, Offset: int64(i*len(load) + j)}
		}
		out = append(out, batch)
	}
	return out
}

func TestMergingAllocatesNothing(t *testing.T) {
	rounds := reports(workload(16), 30)
	for name, team := range merging() {
		for _, records := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,records=%v", name, records), func(t *testing.T) {
				s := newBench(t, setup{team: team, pack: records})
				s.now = s.now.Add(time.Hour)
				s.engine.opts.Samples, s.engine.opts.Records = &null{}, nil
				if records {
					s.engine.opts.Samples, s.engine.opts.Records = nil, &null{}
				}
				w, err := s.engine.Open(Partition{Topic: "in", Count: 1})
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				pass := func() {
					if err := w.Process(t.Context(), rounds[n]); err != nil {
						t.Fatal(err)
					}
					if err := w.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
					n++
				}
				for range 8 {
					pass()
				}
				if n := testing.AllocsPerRun(20, pass); n > 0 {
					t.Errorf("%g allocations for %d records, want 0", n, len(rounds[0]))
				}
			})
		}
	}
}

// BenchmarkMerging is what a sample costs that budgets count or that is merged.
func BenchmarkMerging(b *testing.B) {
	load := workload(400)
	teams := merging()
	teams["neither"] = rules(10)
	for _, name := range []string{"neither", "admitted", "rate", "overflow", "aggregated"} {
		b.Run(name, func(b *testing.B) {
			s := newBench(&testing.T{}, setup{team: teams[name], cache: 1 << 40})
			s.now = s.now.Add(time.Hour)
			s.engine.opts.Samples = &null{}
			w, err := s.engine.Open(Partition{Topic: "in", Count: 1})
			if err != nil {
				b.Fatal(err)
			}
			rounds, n := reports(load, 4), 0
			pass := func() {
				if err := w.Process(context.Background(), rounds[n%len(rounds)]); err != nil {
					b.Fatal(err)
				}
				if err := w.Flush(context.Background()); err != nil {
					b.Fatal(err)
				}
				n++
			}
			for range rounds {
				pass()
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				if n%len(rounds) == 0 {
					later(rounds)
				}
				b.StartTimer()
				pass()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(load)), "ns/record")
		})
	}
}

// later moves reports on in time, in place.
func later(rounds [][]Message) {
	for _, batch := range rounds {
		for j := range batch {
			v := batch[j].Value
			at := bytes.Index(v, []byte(`"report_timestamp":`)) + len(`"report_timestamp":`)
			ms, err := strconv.ParseInt(string(v[at:at+13]), 10, 64)
			if err != nil {
				panic(err)
			}
			strconv.AppendInt(v[:at], ms+int64(len(rounds))*10_000, 10)
		}
	}
}

// BenchmarkRecordedToSamples governs what a real Flink reported: of each metric
// of each process the last record, over and over, so that no series ends or begins.
func BenchmarkRecordedToSamples(b *testing.B) {
	records, err := fleet.Records(data.FS)
	if err != nil {
		b.Fatal(err)
	}
	latest := map[string]int{}
	var values [][]byte
	for _, r := range records {
		d, err := record.Decode(r.Value)
		if err != nil {
			b.Fatal(err)
		}
		key := fmt.Sprintf("%s %s %s %s", d.Task, d.Scope, d.Metric, d.Labels)
		// All at one time, which the clock of the bench does not find in the future.
		value := bytes.Replace(r.Value, strconv.AppendInt(nil, d.Timestamp, 10), strconv.AppendInt(nil, testkit.Epoch, 10), 1)
		at, known := latest[key]
		switch {
		case d.End:
		case known:
			values[at] = value
		default:
			latest[key] = len(values)
			values = append(values, value)
		}
	}
	for len(values) < 4000 {
		values = append(values, values...)
	}
	benchmarkWorker(b, false, 10, messages(values))
}

// BenchmarkEnd ends all series of one metric of a task by one record: what a series
// costs must not depend on how many there are.
func BenchmarkEnd(b *testing.B) {
	for _, series := range []int{1000, 20_000} {
		b.Run(fmt.Sprint(series), func(b *testing.B) {
			s := newBench(&testing.T{}, setup{cache: 1 << 40})
			end := strings.Replace(rec(2, "g", "gauge", ""), `"points"`, `"end":true,"points"`, 1)
			var took time.Duration
			for b.Loop() {
				for from := 0; from < series; from += 1000 {
					points := make([]string, 1000)
					for i := range points {
						points[i] = fmt.Sprintf(`{"s":%d,"v":1}`, from+i)
					}
					s.send(rec(1, "g", "gauge", strings.Join(points, ",")))
				}
				s.flush()
				began := time.Now()
				s.send(end)
				took += time.Since(began)
				if s.worker.series.in != 0 {
					b.Fatal(s.worker.series.in, "series are left")
				}
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*series), "ns/series")
		})
	}
}
