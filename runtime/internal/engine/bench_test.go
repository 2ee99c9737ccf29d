package engine

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
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

// workload is one report of tasks × 100 metrics in the shape of a production
// fleet: flat records of about 600 bytes with ten labels, in the order in which
// they lie in a partition.
func workload(tasks int) []Message {
	var out []Message
	for t := range tasks {
		for m := range 100 {
			value := fmt.Sprintf(`{"torrent_task_id":"t-%06d","report_timestamp":%d,"metric":"flink_taskmanager_job_task_operator_metricNumber%02dPerSecond","type":"gauge","value":%d.25,"labels":{`+
				`"host":"node-%04d","tm_id":"container_1763_%04d_01_%06d","job_id":"%032x","job_name":"rt_orders_%04d","task_id":"%032x",`+
				`"task_name":"Source: kafka_orders[1] -> Calc[2] -> WatermarkAssigner[3] -> Calc[4]","task_attempt_num":"0","operator_id":"%032x","operator_name":"Source: kafka_orders[1]","subtask_index":"%d"}}`,
				t, epoch.UnixMilli(), m, t*100+m, t%300, t/8, t%8, t/8, t/8, t/8+7, t/8+9, t%8)
			out = append(out, Message{Key: []byte("k"), Value: []byte(value), Offset: int64(len(out))})
		}
	}
	return out
}

// rules makes n control rules, of which those about the workload drop 40 of 100
// metrics, and the rewrites of the workload.
func rules(n int) *policy.Team {
	team := &policy.Team{Control: map[string]policy.Control{}, Rewrite: map[string]policy.Rewrite{
		"drop-ids": {Ordered: ordered("*"), Action: "drop-labels", Labels: []string{"tm_id", "task_id", "operator_id", "task_attempt_num"}},
		"operator": {Ordered: ordered("*"), Action: "rename-label", From: "operator_name", To: "operator"},
		"name":     {Ordered: ordered("*"), Action: "short-id", Label: "task_name", Length: 12, Longer: 20},
	}}
	for i := range n {
		pattern := fmt.Sprintf("*_metricNumber%d?PerSecond", i)
		if i >= 4 {
			pattern = fmt.Sprintf("*_other%d_*", i)
		}
		team.Control[fmt.Sprint("rule-", i)] = policy.Control{Ordered: ordered(pattern), Tier: "tenant", Action: "drop", Reason: "noise"}
	}
	return team
}

func benchmarkWorker(b *testing.B, records bool, nrules int, batch []Message) {
	t := &testing.T{}
	s := newBench(t, setup{team: rules(nrules), pack: records, cache: 1 << 40})
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

func BenchmarkFlatToRecords(b *testing.B) { benchmarkWorker(b, true, 10, workload(2000)) }

func BenchmarkGroupedToRecords(b *testing.B) {
	benchmarkWorker(b, true, 10, grouped(500))
}

func BenchmarkGroupedToSamples(b *testing.B) {
	benchmarkWorker(b, false, 10, grouped(500))
}

// grouped is the workload as Sluice's own reporter sends it: four points a record.
func grouped(tasks int) []Message {
	batch := workload(tasks)
	for i := range batch {
		v := string(batch[i].Value)
		v = strings.Replace(v, `,"subtask_index":"`, `,"x":"`, 1)
		cut := strings.Index(v, `"value":`)
		labels := v[strings.Index(v, `"labels":`) : len(v)-1]
		v = v[:cut] + labels + fmt.Sprintf(`,"points":[{"s":0,"a":0,"v":%d.5},{"s":1,"a":0,"v":%d.5},{"s":2,"a":0,"v":1},{"s":3,"a":0,"v":2}]}`, i, i)
		batch[i].Value = []byte(v)
	}
	return batch
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
