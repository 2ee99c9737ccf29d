package sluice

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// each makes a plugin of a function of a record.
func each(f func(*Record)) *Plugin {
	return Register(func(*Config) Transform { return Each(f) })
}

type labels = map[string]string

func TestRecord(t *testing.T) {
	a, b, absent := NewKey("a"), NewKey("b"), NewKey("absent")
	upper := NewMapping(strings.ToUpper)
	nothing := NewMapping(func(string) string { return "" })
	in := []Sample{
		{Name: "m", Labels: labels{"a": "x", "z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
		{Name: "n", Labels: labels{"a": "y", "b": "x"}, Value: 3},
		{Name: "t", Kind: abi.Text, Text: "warm"},
	}
	for name, c := range map[string]struct {
		do   func(*Record)
		want []Sample
	}{
		"untouched": {func(r *Record) { _, _, _ = r.Label(absent), r.Has(a), r.Name() }, in},
		"value": {func(r *Record) { r.SetValue(r.Value() * 2) }, []Sample{
			{Name: "m", Labels: labels{"a": "x", "z": "x"}, Value: 4, Time: 7, Kind: abi.Counter},
			{Name: "n", Labels: labels{"a": "y", "b": "x"}, Value: 6, Source: 1},
			{Name: "t", Kind: abi.Text, Text: "warm", Source: 2}}},
		"rename replaces": {func(r *Record) { r.Rename(a, b) }, []Sample{
			{Name: "m", Labels: labels{"b": "x", "z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "n", Labels: labels{"b": "y"}, Value: 3, Source: 1},
			{Name: "t", Kind: abi.Text, Text: "warm", Source: 2}}},
		"rename to a new name": {func(r *Record) { r.Rename(a, absent) }, []Sample{
			{Name: "m", Labels: labels{"absent": "x", "z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "n", Labels: labels{"absent": "y", "b": "x"}, Value: 3, Source: 1},
			{Name: "t", Kind: abi.Text, Text: "warm", Source: 2}}},
		"set": {func(r *Record) { r.SetLabel(b, "new"); r.SetLabel(NewKey("more"), r.Name()) }, []Sample{
			{Name: "m", Labels: labels{"a": "x", "b": "new", "more": "m", "z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "n", Labels: labels{"a": "y", "b": "new", "more": "n"}, Value: 3, Source: 1},
			{Name: "t", Labels: labels{"b": "new", "more": "t"}, Kind: abi.Text, Text: "warm", Source: 2}}},
		"remove": {func(r *Record) { r.RemoveLabel(a); r.SetLabel(b, "") }, []Sample{
			{Name: "m", Labels: labels{"z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "n", Value: 3, Source: 1},
			{Name: "t", Kind: abi.Text, Text: "warm", Source: 2}}},
		"map": {func(r *Record) {
			r.MapLabel(a, upper)
			r.MapLabel(b, nothing)
			r.MapName(upper)
			r.MapLabel(absent, upper)
		}, []Sample{
			{Name: "M", Labels: labels{"a": "X", "z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "N", Labels: labels{"a": "Y"}, Value: 3, Source: 1},
			{Name: "T", Kind: abi.Text, Text: "warm", Source: 2}}},
		"derive": {func(r *Record) { r.Derive(b, a, upper); r.Derive(absent, a, nothing); r.MapName(nothing) }, []Sample{
			{Name: "m", Labels: labels{"a": "x", "b": "X", "z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "n", Labels: labels{"a": "y", "b": "Y"}, Value: 3, Source: 1},
			{Name: "t", Kind: abi.Text, Text: "warm", Source: 2}}},
		"names and texts": {func(r *Record) { r.SetName(r.Name() + "_x"); r.SetText(r.Text() + "er"); r.SetText("hot") }, []Sample{
			{Name: "m_x", Labels: labels{"a": "x", "z": "x"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "n_x", Labels: labels{"a": "y", "b": "x"}, Value: 3, Source: 1},
			{Name: "t_x", Kind: abi.Text, Text: "hot", Source: 2}}},
		"drop and emit": {func(r *Record) {
			e := r.Emit()
			e.SetName("copy")
			e.SetLabel(absent, "1")
			r.Emit().Drop()
			r.Emit().Fail("nobody sees this")
			if r.Labels() == 0 {
				r.Drop()
			}
		}, append(append([]Sample{}, in[:2]...), []Sample{
			{Name: "copy", Labels: labels{"a": "x", "z": "x", "absent": "1"}, Value: 2, Time: 7, Kind: abi.Counter},
			{Name: "copy", Labels: labels{"a": "y", "b": "x", "absent": "1"}, Value: 3, Source: 1},
			{Name: "copy", Labels: labels{"absent": "1"}, Kind: abi.Text, Text: "warm", Source: 2}}...)},
	} {
		t.Run(name, func(t *testing.T) {
			got := each(c.do).Try(`{}`, in...)
			if got.Code != 0 {
				t.Fatalf("%s: %s", got.Code, got.Reason)
			}
			if d := cmp.Diff(c.want, got.Samples, cmpopts.IgnoreFields(Sample{}, "Source")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEmittedHasItsSource(t *testing.T) {
	got := each(func(r *Record) { r.Emit(); r.Drop() }).Try(`{}`, Sample{Name: "a"}, Sample{Name: "b"})
	if len(got.Samples) != 2 || got.Samples[0].Source != 0 || got.Samples[1].Source != 1 || got.Samples[1].Name != "b" {
		t.Errorf("%+v", got.Samples)
	}
}

func TestFail(t *testing.T) {
	p := each(func(r *Record) {
		if r.Value() < 0 {
			r.Fail("less than nothing")
		}
	})
	got := p.Try(`{}`, Sample{Name: "a", Value: 1}, Sample{Name: "b", Value: -1}, Sample{Name: "c", Value: 2})
	want := Outcome{Samples: []Sample{{Name: "a", Value: 1}, {Name: "c", Value: 2, Source: 2}}, Code: abi.RecordFailed,
		Failed: map[int]string{1: "less than nothing"}, Counted: map[int]int64{}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRefuse(t *testing.T) {
	got := each(func(r *Record) { r.Batch().Refuse("no " + r.Name()); r.Fail("too") }).Try(`{}`, Sample{Name: "a"}, Sample{Name: "b"})
	if got.Code != abi.BatchFailed || got.Reason != "no a" || got.Samples != nil {
		t.Errorf("%+v", got)
	}
	got = each(func(r *Record) {
		for range 19 {
			r.Emit()
		}
	}).Try(`{}`, Sample{Name: "a"})
	if got.Code != abi.BatchFailed || got.Reason != "more records than a batch may become" {
		t.Errorf("19 of one: %+v", got)
	}
}

func TestCountAndLog(t *testing.T) {
	p := Register(func(c *Config) Transform {
		seen, never := c.Counter(1), c.Counter(0)
		c.Log(Info, "ready")
		return func(b *Batch) {
			for i := range b.Len() {
				r := b.Record(i)
				seen.Add(int64(r.Value()))
			}
			never.Add(0)
			if b.Now() == 0 || b.Sequence() == 0 || b.Replay() || b.DryRun() {
				b.Refuse("the header is another one")
			}
			b.Log(Warn, "done")
		}
	})
	got := p.Try(`{}`, Sample{Name: "a", Value: 2}, Sample{Name: "b", Value: 3})
	want := Outcome{Samples: []Sample{{Name: "a", Value: 2}, {Name: "b", Value: 3, Source: 1}},
		Logged: []string{"ready", "done"}, Counted: map[int]int64{1: 5}, Failed: map[int]string{}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What is worked out for a string is worked out once per batch, and again in the next,
// where the number is that of another string.
func TestOncePerDistinctString(t *testing.T) {
	calls := map[string]int{}
	length := NewMemo(func(s string) int { calls[strings.Clone(s)]++; return len(s) })
	k := NewKey("k")
	p := each(func(r *Record) {
		n, ok := length.OfLabel(r, k)
		if !ok {
			n = -1
		}
		r.SetValue(float64(n + 100*length.OfName(r)))
	})
	p.host = &Outcome{Failed: map[int]string{}}
	p.begin(`{}`)
	for _, batch := range []struct{ value, name string }{{"abc", "m"}, {"de", "mm"}, {"f", "mmm"}} {
		block := encode([]Sample{{Name: batch.name, Labels: labels{"k": batch.value}}, {Name: batch.name, Labels: labels{"k": batch.value}}, {Name: batch.name}})
		if code := p.run(block); code != 0 {
			t.Fatal(code)
		}
		for i, r := range p.batch.samples() {
			want := float64(100*len(batch.name) + len(batch.value))
			if i == 2 {
				want = float64(100*len(batch.name) - 1)
			}
			if r.Value != want {
				t.Errorf("%s %s: record %d has %v, want %v", batch.name, batch.value, i, r.Value, want)
			}
		}
	}
	want := map[string]int{"abc": 1, "de": 1, "f": 1, "m": 1, "mm": 1, "mmm": 1}
	if d := cmp.Diff(want, calls); d != "" {
		t.Error(d)
	}
}

// Two keys of one text are the same label, even where the text is new.
func TestEqualKeys(t *testing.T) {
	got := each(func(r *Record) {
		one, two := NewKey("new"), NewKey("new")
		r.SetLabel(one, "1")
		r.SetLabel(two, "2")
		r.RemoveLabel(NewKey("none"))
	}).Try(`{}`, Sample{Name: "a"}, Sample{Name: "b", Labels: labels{"c": "d"}})
	want := []Sample{{Name: "a", Labels: labels{"new": "2"}}, {Name: "b", Labels: labels{"c": "d", "new": "2"}, Source: 1}}
	if d := cmp.Diff(want, got.Samples); d != "" {
		t.Error(d)
	}
}

// What records were given is found again in whatever order a transform goes over them.
func TestRenameReplacesWhatIsNew(t *testing.T) {
	p := Register(func(*Config) Transform {
		a, one, two := NewKey("a"), NewKey("new"), NewKey("new")
		return func(b *Batch) {
			for i := b.Len() - 1; i >= 0; i-- {
				r := b.Record(i)
				r.SetLabel(one, "1")
			}
			for i := range b.Len() {
				r := b.Record(i)
				r.Rename(a, two)
				e := r.Emit()
				e.SetLabel(one, "2")
			}
		}
	})
	got := p.Try(`{}`, Sample{Name: "m", Labels: labels{"a": "x"}}, Sample{Name: "n", Labels: labels{"b": "y", "a": "z"}})
	want := []Sample{
		{Name: "m", Labels: labels{"new": "x"}}, {Name: "n", Labels: labels{"b": "y", "new": "z"}, Source: 1},
		{Name: "m", Labels: labels{"new": "2"}}, {Name: "n", Labels: labels{"b": "y", "new": "2"}, Source: 1},
	}
	if d := cmp.Diff(want, got.Samples); d != "" {
		t.Error(d)
	}
}

func TestNoBatch(t *testing.T) {
	good := encode([]Sample{{Name: "a", Value: math.NaN()}})
	for name, block := range map[string][]uint64{
		"empty": nil, "short": good[:4], "cut": good[:len(good)-1],
		"magic":   append([]uint64{1}, good[1:]...),
		"records": append(append(append([]uint64{}, good[:7]...), 48<<32), good[8:]...),
	} {
		o := Outcome{Failed: map[int]string{}}
		p := each(func(*Record) { t.Errorf("%s: a record was read", name) })
		p.host = &o
		if p.begin(`{}`); p.run(block) != abi.BadBatch || o.Reason == "" {
			t.Errorf("%s: taken", name)
		}
	}
	o := Outcome{Failed: map[int]string{}}
	p := each(func(*Record) {})
	p.host = &o
	if p.run(good) != abi.BadBatch {
		t.Error("a batch before a config was taken")
	}
}

// In steady state nothing is allocated per batch.
func TestNothingIsAllocated(t *testing.T) {
	from, to, tier, task := NewKey("task_name"), NewKey("task"), NewKey("tier"), NewKey("t")
	gold := NewMapping(func(string) string { return "gold" })
	p := each(func(r *Record) {
		r.Rename(from, to)
		r.Derive(tier, task, gold)
		r.SetValue(r.Value() * 0.001)
		r.Emit().SetLabel(to, "copy")
		if r.Label(tier) != "gold" {
			r.Drop()
		}
	})
	p.host = &Outcome{Failed: map[int]string{}}
	p.begin(`{}`)
	block := encode([]Sample{{Name: "a", Labels: labels{"task_name": "x", "t": "1"}}, {Name: "b", Labels: labels{"task_name": "y", "t": "2"}}})
	work := make([]uint64, len(block))
	if n := testing.AllocsPerRun(100, func() {
		copy(work, block)
		if p.run(work) != 0 {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
}
