package plugins

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// row is a record as a person reads it.
type row struct {
	Name   string
	Value  float64
	Labels string
	Source uint32
}

func rows(b *Batch) (out []row) {
	for i := range b.Records {
		r := &b.Records[i]
		labels := ""
		for _, p := range b.Labels(r) {
			labels += b.Strings[p.Key] + "=" + b.Strings[p.Value] + " "
		}
		out = append(out, row{b.Strings[r.Name], r.Value, labels, r.Source})
	}
	return out
}

// batchOf makes n records with the labels host, task_name and job.
func batchOf(n int) *Batch {
	b := &Batch{Now: 1_700_000_000_000, Sequence: 7}
	fill(b, n)
	return b
}

func fill(b *Batch, n int) {
	for i := range n {
		b.Add(abi.Record{Time: int64(i), Value: float64(i), Name: b.Intern("numRecordsIn")},
			abi.Pair{Key: b.Intern("host"), Value: b.Intern("a")},
			abi.Pair{Key: b.Intern("task_name"), Value: b.Intern(fmt.Sprint("map-", i%3))},
			abi.Pair{Key: b.Intern("job"), Value: b.Intern("orders")})
	}
}

// patient gives times that a machine under load keeps, too, where a test has none.
func patient(l Limits) Limits {
	for _, d := range []*time.Duration{&l.Batch, &l.Init, &l.Compile} {
		if *d == 0 {
			*d = time.Minute
		}
	}
	return l
}

func open(t testing.TB, wasm []byte, o Options) *Instance {
	t.Helper()
	o.Limits = patient(o.Limits)
	p, err := Load(t.Context(), wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	i, err := p.Instance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

func TestRename(t *testing.T) {
	for _, o := range []Options{{}, {Engine: Interpreter}, {Unmetered: true}} {
		i := open(t, assemble.Rename("task_name", "task", 0.5), o)
		b := batchOf(2)
		for range 3 {
			b.Reset()
			fill(b, 2)
			if err := i.Transform(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		want := []row{
			{"numRecordsIn", 0, "host=a task=map-0 job=orders ", 0},
			{"numRecordsIn", 0.5, "host=a task=map-1 job=orders ", 1},
		}
		if diff := cmp.Diff(want, rows(b)); diff != "" {
			t.Errorf("%+v: %s", o, diff)
		}
		if c := i.plugin.Counts(); c.Calls != 3 || c.In != 6 || c.Out != 6 || c.Instances < 1 || c.Memory < pageSize {
			t.Errorf("counts are %+v", c)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	i := open(t, assemble.Rename("task_name", "task", math.Pi), Options{})
	b := &Batch{}
	round := func() {
		b.Reset()
		for k := range 1000 {
			b.Add(abi.Record{Time: int64(k), Name: b.Intern("n")}, abi.Pair{Key: b.Intern("task_name"), Value: b.Intern("map")})
		}
		if err := i.Transform(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	until(t, func() bool { return len(i.plugin.spare) == 1 }) // it is built beside the work
	for range 5 {
		round()
	}
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%v allocations for a batch of 1,000 records", n)
	}
}

// TestFilled passes batches that were filled with numbered strings: what the guest adds
// is told apart from what was there as in one whose strings were entered.
func TestFilled(t *testing.T) {
	for to, code := range map[string]abi.Code{"task": 0, "host": abi.BadOutput} {
		i := open(t, assemble.Rename("task_name", to, 0.5), Options{})
		from, want, got := batchOf(3), batchOf(3), &Batch{}
		for range 2 {
			want.Copy(from)
			want.Intern("")
			got.Fill(from.Records, from.Pairs, from.Strings)
			for _, b := range []*Batch{want, got} {
				if err := i.Transform(t.Context(), b); (code != 0) != (err != nil) || err != nil && asError(err).Code != code {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(rows(want), rows(got)); diff != "" {
				t.Fatal(diff)
			}
			for n, s := range got.Strings {
				if id := got.Intern(s); int(id) != n {
					t.Fatalf("%q is string %d, and entered as %d", s, n, id)
				}
			}
		}
	}
}
