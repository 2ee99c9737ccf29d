package plugins

import (
	"encoding/binary"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

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
			err = x.judge()
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

func mustBeWellFormed(t *testing.T, b *Batch, n int) {
	t.Helper()
	most, _ := made(n)
	l := DefaultLimits()
	l.Records = most
	if err := b.check(l); err != nil {
		t.Fatal(err)
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
