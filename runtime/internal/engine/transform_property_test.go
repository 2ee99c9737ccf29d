package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// acting does by the value of a record what the reference expects of it.
func acting(g *guest, b *Batch, r *abi.Record) {
	switch int(r.Value) % 8 {
	case 1:
		mask(g, b, r)
	case 2:
		r.Flags = abi.Drop
	case 3:
		r.Flags = abi.Failed
	case 4:
		r.Value += 100
	case 5:
		g.emit(b, r, "extra").Value = 7
	case 6:
		r.Name = g.str(b, fmt.Sprint("renamed_", r.Value))
	case 7:
		g.emit(b, r, "instead").Value = 9
		b.Records[r.Source].Flags = abi.Drop
	}
}

// second fails for what ends in 9 and came from above 20, and marks the rest.
func second(g *guest, b *Batch, r *abi.Record) {
	if int(r.Value)%10 == 9 && b.Strings[r.Name] != "instead" {
		r.Flags = abi.Failed
		return
	}
	label(b, r, "tm_id").Value = g.str(b, "second")
}

// reported is one sample of the reference.
type reported struct{ task, subtask, value, ts int }

func (x *reported) record() string {
	return strings.Replace(rec(x.ts, "m", "gauge", fmt.Sprintf(`{"s":%d,"v":%d}`, x.subtask, x.value)), "t-1", fmt.Sprint("t-", x.task), 1)
}

// wanted is what the reference makes of a sample: lines, and how it ended.
func (x *reported) wanted(onError string, chain bool) (lines []string, end ledger.Disposition) {
	type out struct {
		name, job, tm string
		value         int
		main          bool
	}
	outs := []out{{"flink_taskmanager_job_task_m", "pay", "tm-1", x.value, true}}
	first := &outs[0]
	switch x.value % 8 {
	case 1:
		first.job = "masked"
	case 2:
		return nil, ledger.Dropped
	case 3:
		if onError == "quarantine" {
			return nil, ledger.Quarantined
		} else if onError == "drop" {
			return nil, ledger.Dropped
		}
	case 4:
		first.value += 100
	case 5:
		outs = append(outs, out{"extra", "pay", "tm-1", 7, false})
	case 6:
		first.name = fmt.Sprint("renamed_", x.value)
	case 7:
		outs = []out{{"instead", "pay", "tm-1", 9, true}}
	}
	end = ledger.Out
	for _, o := range outs {
		if chain && o.value%10 == 9 && o.name != "instead" {
			switch onError {
			case "quarantine":
				return nil, ledger.Quarantined
			case "drop":
				if o.main {
					end = ledger.Dropped
				}
				continue
			}
		} else if chain {
			o.tm = "second"
		}
		lines = append(lines, fmt.Sprintf(`%s{job_name="%s", subtask_index="%d", tm_id="%s", torrent_task_id="t-%d"} %d @%d`,
			o.name, o.job, x.subtask, o.tm, x.task, o.value, at(x.ts)))
	}
	return lines, end
}

// Whatever plugins do, and wherever batches are cut and workers are killed, what
// comes out and what the ledger says is what the reference says.
func TestTransformsAreThoseOfAReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		onError := rapid.SampledFrom([]string{"quarantine", "drop", "pass"}).Draw(rt, "onError")
		chain, pack := rapid.Bool().Draw(rt, "chain"), rapid.Bool().Draw(rt, "records")
		names := map[bool]string{false: "acting", true: "acting second"}[chain]
		b, _ := newTransit(t, setup{team: through1(onError, names), pack: pack}, doing{"acting": acting, "second": second})
		var log []Message
		var wantLines, wantLetters []string
		by := map[ledger.Disposition]int64{}
		for i := range rapid.IntRange(1, 60).Draw(rt, "samples") {
			x := reported{rapid.IntRange(1, 2).Draw(rt, "task"), rapid.IntRange(0, 2).Draw(rt, "subtask"), rapid.IntRange(0, 49).Draw(rt, "value"), i}
			log = append(log, Message{Value: []byte(x.record()), Offset: int64(i)})
			lines, end := x.wanted(onError, chain)
			wantLines = append(wantLines, lines...)
			if by[end]++; end == ledger.Quarantined {
				wantLetters = append(wantLetters, x.record())
			}
		}
		killed := false // then samples that ended here are counted each time
		for w, next, acked := b.worker, 0, 0; next < len(log); {
			n := min(rapid.IntRange(1, 25).Draw(rt, "batch"), len(log)-next)
			if err := w.Process(t.Context(), log[next:next+n]); err != nil {
				rt.Fatal(err)
			}
			next += n
			if sum := b.book.Sum(); sum.Imbalance() != 0 {
				rt.Fatalf("imbalance %d", sum.Imbalance())
			}
			switch rapid.SampledFrom([]string{"go on", "go on", "flush", "kill"}).Draw(rt, "then") {
			case "flush":
				if err := w.Flush(t.Context()); err != nil {
					rt.Fatal(err)
				}
				acked = int(w.Acked())
			case "kill":
				killed, next = true, acked
				w.Close()
				var err error
				if w, err = b.engine.Open(Partition{Topic: "in", ID: 3, Count: 1}); err != nil {
					rt.Fatal(err)
				}
				b.worker = w
			}
		}
		b.flush()
		compare(rt, "lines", b.sink.samples(rt), wantLines)
		var letters []string
		for _, r := range b.letters.records {
			letters = append(letters, string(r.Value))
		}
		compare(rt, "letters", letters, wantLetters)
		sum := b.book.Sum()
		for d := range ledger.Count {
			if acknowledged := d == ledger.Out || d == ledger.Quarantined; sum.By[d] != by[d] && (acknowledged || !killed) {
				rt.Errorf("%s: %d, want %d", d, sum.By[d], by[d])
			}
		}
		if sum.In != int64(len(log)) && !killed || sum.Imbalance() != 0 {
			rt.Errorf("in %d of %d, imbalance %d", sum.In, len(log), sum.Imbalance())
		}
	})
}

// samples are the values that a sink was given, whatever kind of sink it is.
func (w *wire) samples(t *rapid.T) (lines []string) {
	for _, l := range w.written {
		if !strings.Contains(l, " stale ") {
			lines = append(lines, l)
		}
	}
	for _, out := range w.records {
		r, err := record.Decode(out.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Points {
			if r.End {
				continue
			}
			labels := slices.Clone(r.Labels)
			for _, l := range p.Labels {
				labels = labels.Set(l.Name, l.Value)
			}
			labels = labels.Set("torrent_task_id", r.Task)
			if p.Subtask >= 0 {
				labels = labels.Set("subtask_index", fmt.Sprint(p.Subtask))
			}
			lines = append(lines, fmt.Sprintf("%s%s %g @%d", r.Metric, labels, p.Value, r.Timestamp))
		}
	}
	return lines
}

// compare compares as sets: what is read again is written again.
func compare(t *rapid.T, what string, got, want []string) {
	slices.Sort(got)
	slices.Sort(want)
	if got, want = slices.Compact(got), slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
