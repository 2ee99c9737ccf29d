package plugins

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// TestAPluginSeesWhatItNeeds passes batches through plugins that need less than
// there is: the rest goes around them.
func TestAPluginSeesWhatItNeeds(t *testing.T) {
	first := assemble.Get(0) + assemble.Get(0) + assemble.I32Load(24) + assemble.I32Add
	for name, c := range map[string]struct {
		manifest  abi.Manifest
		transform assemble.Code
		strings   []string
		want      []row
		seen      int64 // records that the plugin was given
	}{
		"one label, made another": {
			manifest:  abi.Manifest{Needs: abi.Needs{Labels: []string{"task_name"}}, Writes: abi.Writes{Labels: []string{"task_name", "task"}}},
			transform: first + assemble.Get(0) + assemble.I32Load(16) + assemble.I32Store(0) + assemble.Answer(), strings: []string{"task"},
			want: []row{{"numRecordsIn", 0, "task=map-0 host=a job=orders ", 0}, {"numRecordsIn", 1, "host=a task_name=map-1 job=orders ", 1}, {"other", 5, "host=a ", 2}},
			seen: 3,
		},
		"a label that it does not see, set": {
			manifest:  abi.Manifest{Needs: abi.Needs{Labels: []string{"task_name"}}, Writes: abi.Writes{Labels: []string{"task_name", "host"}}},
			transform: first + assemble.Get(0) + assemble.I32Load(16) + assemble.I32Store(0) + assemble.Answer(), strings: []string{"host"},
			want: []row{{"numRecordsIn", 0, "host=map-0 job=orders ", 0}, {"numRecordsIn", 1, "host=a task_name=map-1 job=orders ", 1}, {"other", 5, "host=a ", 2}},
			seen: 3,
		},
		"names": {
			manifest:  abi.Manifest{Needs: abi.Needs{Names: []string{"ot*"}, Labels: []string{"*"}}, Writes: abi.Writes{Drop: true}},
			transform: assemble.Get(0) + assemble.I32(int64(abi.Drop)) + assemble.I32Store8(abi.HeaderSize+int(flagsAt)) + assemble.I64(0),
			want:      []row{{"numRecordsIn", 0, "host=a task_name=map-0 job=orders ", 0}, {"numRecordsIn", 1, "host=a task_name=map-1 job=orders ", 1}},
			seen:      1,
		},
		"names that there are not": {
			manifest:  abi.Manifest{Needs: abi.Needs{Names: []string{"x"}}},
			transform: assemble.I64(int64(abi.Internal)),
			want:      []row{{"numRecordsIn", 0, "host=a task_name=map-0 job=orders ", 0}, {"numRecordsIn", 1, "host=a task_name=map-1 job=orders ", 1}, {"other", 5, "host=a ", 2}},
		},
		"emitted": {
			manifest:  abi.Manifest{Needs: abi.Needs{Labels: []string{"job"}}, Writes: abi.Writes{Emit: true, Drop: true}},
			transform: assemble.Get(0) + assemble.I32(int64(abi.Drop)) + assemble.I32Store8(abi.HeaderSize+int(flagsAt)) + assemble.Answer(),
			want: []row{{"numRecordsIn", 1, "host=a task_name=map-1 job=orders ", 1}, {"other", 5, "host=a ", 2},
				{"numRecordsIn", 0, "host=a task_name=map-0 job=orders ", 0}},
			seen: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			result := assemble.Result(c.strings, nil, nil)
			if name == "emitted" {
				result = assemble.Result(nil, []abi.Record{{Name: 2, Labels: 1}}, nil) // the strings of labels are sent first
			}
			// The self-test's record has no labels and another name.
			guarded := assemble.Get(0) + assemble.I32Load(48) + assemble.I32Eqz + assemble.If + assemble.I64(0) + assemble.Return + assemble.End + c.transform
			i := open(t, assemble.Guest{Manifest: c.manifest, Transform: guarded, Setup: func(m *assemble.Module) { m.Data(assemble.ResultAt, result) }}.Bytes(), Options{})
			b := batchOf(2)
			b.Add(abi.Record{Value: 5, Name: b.Intern("other")}, abi.Pair{Key: b.Intern("host"), Value: b.Intern("a")})
			if err := i.Transform(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, rows(b)); diff != "" {
				t.Error(diff)
			}
			if n := i.plugin.Counts().In; n != uint64(c.seen) {
				t.Errorf("the plugin was given %d records", n)
			}
		})
	}
}

// FuzzResult looks at what an arbitrary guest leaves in memory: whatever it is, the
// batch is well-formed and within its limits, or as it was.
func FuzzResult(f *testing.F) {
	const at = 1 << 10 // where results lie
	f.Add([]byte{}, uint64(0), uint16(0), uint64(0))
	f.Add(assemble.Result([]string{"x", "host"}, []abi.Record{{Labels: 1}}, []abi.Pair{{Key: 9, Value: 9}}), uint64(at)<<32|32, uint16(64), uint64(9)<<32)
	f.Add(assemble.Result([]string{"\xff"}, nil, nil), uint64(at)<<32|32, uint16(66), uint64(3))
	f.Add(assemble.Result(nil, []abi.Record{{Source: 7}}, nil), uint64(at)<<32|32, uint16(91), uint64(1))
	f.Fuzz(func(t *testing.T, result []byte, answer uint64, patchAt uint16, patch uint64) {
		x := exchange{grant: newGrant(assemble.All()), limits: DefaultLimits()}
		known := interned{window: newWindow()}
		b, was := batchOf(3), batchOf(3)
		x.begin(b)
		memory := make([]byte, 8<<10)
		block := memory[4<<10:]
		x.write(block[:x.sent.size()])
		binary.LittleEndian.PutUint64(block[int(patchAt)%x.sent.size():], patch)
		copy(memory[at:3<<10], result)
		err := x.read(memory, 4<<10, abi.Answer(answer), &known)
		if err == nil {
			full := inFull(t, &x)
			err = x.judge()
			if diff := cmp.Diff(full, verdictOf(&x, err)); diff != "" {
				t.Fatalf("judged row by row, and as most rows are:\n%s", diff)
			}
		}
		if err != nil {
			b.forget(x.host)
			if err.Code < abi.Trap || !slices.Equal(b.Records, was.Records) || !slices.Equal(b.Pairs, was.Pairs) || !slices.Equal(b.Strings, was.Strings) {
				t.Fatalf("after %v the batch is %+v", err, b)
			}
			return
		}
		x.commit()
		mustBeWellFormed(t, b, len(was.Records))
	})
}

// verdict is what judging came to.
type verdict struct {
	Records []abi.Record
	Pairs   []abi.Pair
	Err     string
}

func verdictOf(x *exchange, err *Error) verdict {
	if err != nil {
		return verdict{Err: err.Error()}
	}
	out := verdict{Records: slices.Clone(x.back.out), Pairs: slices.Clone(x.back.outPairs)}
	for i := range out.Records { // NaN is not itself
		out.Records[i].Value = float64(math.Float64bits(out.Records[i].Value))
	}
	return out
}

// inFull judges what came back with no row taken for a usual one.
func inFull(t *testing.T, x *exchange) verdict {
	t.Helper()
	x.prepare()
	for k := range x.sent.records {
		if err := x.edited(k); err != nil {
			return verdictOf(x, err)
		}
	}
	for _, r := range x.back.added {
		if err := x.emitted(r); err != nil {
			return verdictOf(x, err)
		}
	}
	return verdictOf(x, nil)
}

// TestUsualRowsAreJudgedInFull edits batches at random, under manifests of any kind:
// a row that is taken for a usual one is what the rules in full make of it.
func TestUsualRowsAreJudgedInFull(t *testing.T) {
	taken := 0
	rapid.Check(t, func(r *rapid.T) {
		n, flag := rapid.IntRange(1, 5).Draw(r, "records"), rapid.Bool()
		labels := rapid.SampledFrom([][]string{{"*"}, {"host", "x"}, {"task_name", "host", "job"}, {}})
		m := abi.Manifest{Needs: abi.Needs{Labels: []string{"*"}}, Writes: abi.Writes{
			Labels: labels.Draw(r, "writes"), Value: flag.Draw(r, "value"), Name: flag.Draw(r, "name"), Drop: flag.Draw(r, "drop"),
		}}
		x := exchange{grant: newGrant(m), limits: DefaultLimits()}
		b := batchOf(n)
		x.begin(b)
		size := x.sent.size()
		block := make([]uint64, (size+7)/8+32)
		memory := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(block))), 8*len(block))
		x.write(memory[:size])
		known := interned{window: newWindow()}
		for _, s := range rapid.SampledFrom([][]string{nil, {"x"}, {"host", "x"}, {"", "not a name"}}).Draw(r, "strings") {
			own, _ := known.get([]byte(s), 10)
			x.ids = append(x.ids, b.Intern(own))
		}
		x.marks = append(x.marks, make([]mark, len(b.Strings)-len(x.marks))...)
		x.back.records, x.back.pairs = viewOf[abi.Record](memory[abi.HeaderSize:], n), viewOf[abi.Pair](memory[abi.HeaderSize+n*abi.RecordSize:], len(b.Pairs))
		id := rapid.Uint32Range(0, uint32(len(x.ids)))
		for range rapid.IntRange(0, 4).Draw(r, "edits") {
			row := &x.back.records[rapid.IntRange(0, n-1).Draw(r, "row")]
			pair := &x.back.pairs[rapid.IntRange(0, len(b.Pairs)-1).Draw(r, "pair")]
			switch rapid.IntRange(0, 7).Draw(r, "edit") {
			case 0, 1:
				pair.Key = id.Draw(r, "key")
			case 2:
				pair.Value = id.Draw(r, "value")
			case 3:
				row.Name = id.Draw(r, "name")
			case 4:
				row.Value = rapid.Float64().Draw(r, "number")
			case 5:
				row.Flags = abi.Flags(rapid.IntRange(0, 4).Draw(r, "flags"))
			case 6:
				row.First, row.Labels = rapid.Uint32Range(0, 16).Draw(r, "first"), rapid.Uint16Range(0, 5).Draw(r, "labels")
			case 7:
				row.Kind, row.Time = abi.Kind(rapid.IntRange(0, 5).Draw(r, "kind")), row.Time+rapid.Int64Range(0, 1).Draw(r, "time")
			}
		}
		full := inFull(t, &x)
		x.prepare()
		taken += x.usual(0)
		if diff := cmp.Diff(full, verdictOf(&x, x.judge())); diff != "" {
			r.Fatal(diff)
		}
	})
	if taken == 0 {
		t.Error("no row was taken for a usual one")
	}
}

func mustBeWellFormed(t *testing.T, b *Batch, n int) {
	t.Helper()
	l := DefaultLimits()
	if err := b.check(l.Labels); err != nil {
		t.Fatal(err)
	}
	if most, _ := made(n); len(b.Records) > most {
		t.Fatalf("%d records came of %d", len(b.Records), n)
	}
	for _, s := range b.Strings {
		if !utf8.ValidString(s) || len(s) > l.String {
			t.Fatalf("there is the string %q", s)
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		if int(r.Source) >= n || b.Strings[r.Name] == "" || r.Flags != 0 {
			t.Fatalf("record %d is %+v", i, r)
		}
		keys := map[string]bool{}
		for _, p := range b.Labels(r) {
			if key := b.Strings[p.Key]; keys[key] || !isLabelName(key) {
				t.Fatalf("record %d has the labels %v", i, b.Labels(r))
			}
			keys[b.Strings[p.Key]] = true
		}
	}
}
