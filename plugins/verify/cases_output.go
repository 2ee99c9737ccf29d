package verify

import (
	"math"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// Where fields of the first record are, from the begin of the batch.
const (
	timeAt   = 64
	valueAt  = 64 + 8
	nameAt   = 64 + 16
	firstAt  = 64 + 20
	labelsAt = 64 + 24
	kindAt   = 64 + 26
	flagsAt  = 64 + 27
)

// outputCases return what is not well-formed, or more than they may.
func outputCases() []Case {
	return slices.Concat(editCases(), resultCases(), stringCases(), roomCases())
}

func output(name, about string, code abi.Code, m abi.Manifest, bad as.Code, result []byte) Case {
	return Case{Name: "output/" + name, About: about, Step: plugins.StepTransform, Code: code, module: func() []byte {
		return guest(m, bad, func(m *as.Module) {
			if result != nil {
				m.Data(as.ResultAt, result)
			}
		}).Bytes()
	}}
}

// value returns a manifest that lets a plugin change values, and more.
func value(more func(w *abi.Writes)) abi.Manifest {
	m := as.All()
	m.Writes = abi.Writes{Value: true}
	if more != nil {
		more(&m.Writes)
	}
	return m
}

func store(at int, v int64) as.Code  { return as.Get(0) + as.I32(v) + as.I32Store(at) }
func store8(at int, v int64) as.Code { return as.Get(0) + as.I32(v) + as.I32Store8(at) }

// editCases edit the batch in place.
func editCases() []Case {
	all := as.All()
	pairs := as.Get(0) + as.Get(0) + as.I32Load(24) + as.I32Add
	return []Case{
		output("name-outside", "a name is a string that there is not", abi.BadOutput, all, store(nameAt, sampleStrings), nil),
		output("key-outside", "a label name is a string that there is not", abi.BadOutput, all, pairs+as.I32(sampleStrings)+as.I32Store(0), nil),
		output("value-outside", "a label value is string 2^32-1", abi.BadOutput, all, pairs+as.I32(-1)+as.I32Store(4), nil),
		output("labels-wrap", "labels begin at 2^32-1", abi.BadOutput, all, store(firstAt, -1), nil),
		output("labels-outside", "labels reach over the end", abi.BadOutput, all, store(firstAt, 8), nil),
		output("too-many-labels", "a record has 65,535 labels", abi.BadOutput, all, as.Get(0)+as.I32(-1)+as.I32Store16(labelsAt), nil),
		output("duplicate-key", "a record has one label twice", abi.BadOutput, all, pairs+as.I32(3)+as.I32Store(0), nil),
		output("key-not-a-name", "a label is named worker-1", abi.BadOutput, all, pairs+as.I32(2)+as.I32Store(0), nil),
		output("unknown-flag", "a record has a flag that there is not", abi.BadOutput, all, store8(flagsAt, 0x80), nil),
		output("time", "a record has another time", abi.Capability, all, as.Get(0)+as.I64(math.MinInt64)+as.I64Store(timeAt), nil),
		output("kind", "a record is of another kind", abi.Capability, all, store8(kindAt, int64(abi.Counter)), nil),
		output("unknown-kind", "a record is of a kind that there is not", abi.Capability, all, store8(kindAt, 200), nil),
		output("no-name", "a name is changed, the manifest does not say so", abi.Capability, value(nil), store(nameAt, 1), nil),
		output("no-drop", "a record is dropped, the manifest does not say so", abi.Capability, value(nil), store8(flagsAt, int64(abi.Drop)), nil),
		output("no-label", "a label value is changed, the manifest does not list the label", abi.Capability,
			value(func(w *abi.Writes) { w.Labels = []string{"task"} }), pairs+as.I32(4)+as.I32Store(4), nil),
		output("no-label-removed", "a label is taken away, the manifest does not list it", abi.Capability,
			value(func(w *abi.Writes) { w.Labels = []string{"host"} }), as.Get(0)+as.I32(2)+as.I32Store16(labelsAt), nil),
		output("label", "a label value is changed, as the manifest says", 0,
			value(func(w *abi.Writes) { w.Labels = []string{"host"} }), pairs+as.I32(4)+as.I32Store(4), nil),
		output("drop", "a record is dropped, as the manifest says", 0, value(func(w *abi.Writes) { w.Drop = true }), store8(flagsAt, int64(abi.Drop)), nil),
		output("failed", "a record failed, all is well otherwise", 0, value(nil), store8(flagsAt, int64(abi.Failed)), nil),
		output("nan", "a value is not a number", 0, all, as.Get(0)+as.F64(math.NaN())+as.F64Store(valueAt), nil),
		output("infinite", "a value is infinite", 0, all, as.Get(0)+as.F64(math.Inf(-1))+as.F64Store(valueAt), nil),
		output("minus-zero", "a value is -0", 0, all, as.Get(0)+as.F64(math.Copysign(0, -1))+as.F64Store(valueAt), nil),
		// Nobody looks at these again.
		output("header", "the header is overwritten", 0, all,
			as.EachRecord(2, 3, "")+store(0, -1)+store(12, -1)+store(16, -1)+store(36, -1)+as.I64(0)+as.Return, nil),
		output("strings", "the strings are overwritten", 0, all,
			as.Get(0)+as.Get(0)+as.I32Load(28)+as.I32Add+as.I32(-1)+as.I32(sampleStrings*8+20)+as.MemoryFill, nil),
	}
}

// with edits the batch and answers with a result.
func with(name, about string, code abi.Code, m abi.Manifest, result []byte, edit as.Code) Case {
	return output(name, about, code, m, edit+as.Answer()+as.Return, result)
}

// resultCases answer with a result.
func resultCases() []Case {
	all := as.All()
	at := func(name, about string, code abi.Code, answer uint64) Case {
		return output(name, about, code, all, as.I64(int64(answer))+as.Return, as.Result(nil, nil, nil))
	}
	patched := func(field int, v uint32) []byte {
		b := as.Result([]string{"x"}, []abi.Record{{Name: 0}}, []abi.Pair{{}})
		b[field], b[field+1], b[field+2], b[field+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
		return b
	}
	record := abi.Record{Value: 1, First: 0, Labels: 3}
	many := func(n int) []byte {
		r := make([]abi.Record, n)
		for i := range r {
			r[i] = record
		}
		return as.Result(nil, r, nil)
	}
	late := record
	late.Time = math.MaxInt64
	list := []Case{
		at("result-outside", "the result is at the end of all addresses", abi.BadOutput, 0xffffffff_00000020),
		at("result-at-the-end", "the result begins in the last byte of memory", abi.BadOutput, (as.Pages*65536-1)<<32|32),
		at("result-short", "the result is said to have 31 bytes", abi.BadOutput, as.ResultAt<<32|31),
		at("result-empty", "the result is said to have no bytes", abi.BadOutput, as.ResultAt<<32),
		at("result-foreign", "the result is something else", abi.BadOutput, 4096<<32|32),
		at("result-in-batch", "the result is the batch", abi.BadOutput, as.RoomAt<<32|32),
		with("strings-outside", "new strings are listed outside of memory", abi.BadOutput, all, patched(8, 0xfffffff8), ""),
		with("records-outside", "new records lie outside of memory", abi.BadOutput, all, patched(16, 0xffffffff), ""),
		with("labels-result-outside", "new labels lie outside of memory", abi.BadOutput, all, patched(24, 0xfffffffc), ""),
		with("strings-many", "there are 2^32-1 new strings", abi.Expansion, all, patched(4, math.MaxUint32), ""),
		with("records-many", "there are 2^32-1 new records", abi.Expansion, all, patched(12, math.MaxUint32), ""),
		with("labels-many", "there are 2^32-1 new labels", abi.Expansion, all, patched(20, math.MaxUint32), ""),
		with("string-wrap", "a new string reaches over the end of all addresses", abi.BadOutput, all, patched(abi.ResultSize, 0xfffffff0), ""),
		with("source-outside", "a new record is made of one that there is not", abi.BadOutput, all, as.Result(nil, []abi.Record{{Source: 3}}, nil), ""),
		with("records-most", "three records become twice as many and 16", 0, all, many(3+16), ""),
		with("records-too-many", "three records become one more than that", abi.Expansion, all, many(3+17), ""),
		with("record-late", "a new record has another time than what it is made of", abi.Capability, all, as.Result(nil, []abi.Record{late}, nil), ""),
		with("record-dropped", "a new record is dropped", abi.BadOutput, all, as.Result(nil, []abi.Record{{Labels: 3, Flags: abi.Drop}}, nil), ""),
		with("no-emit", "a record is added, the manifest does not say so", abi.Capability, value(nil), many(1), ""),
		with("drop-and-emit", "a record is dropped and another made of it", 0, all, many(1), store8(flagsAt, int64(abi.Drop))),
		with("fail-and-emit", "a record failed and another is made of it", 0, all, many(1), store8(flagsAt, int64(abi.Failed))),
	}
	return list
}

// stringCases make strings.
func stringCases() []Case {
	all := as.All()
	text := func(s string) []byte { return as.Result([]string{s}, nil, nil) }
	renamed := as.Get(0) + as.Get(0) + as.I32Load(24) + as.I32Add + as.I32(sampleStrings) + as.I32Store(0)
	list := []Case{
		with("string-long", "a new string has 4,097 bytes", abi.Expansion, all, text(strings.Repeat("x", 4097)), ""),
		with("string-longest", "a new string has 4,096 bytes", 0, all, text(strings.Repeat("x", 4096)), ""),
		with("string-not-utf8", "a new string is not UTF-8", abi.BadOutput, all, text("caf\xe9"), ""),
		with("string-surrogate", "a new string is half of a character", abi.BadOutput, all, text("\xed\xa0\x80"), ""),
		with("key-empty", "a label has no name", abi.BadOutput, all, text(""), renamed),
		with("key-bad", "a label is named a-b", abi.BadOutput, all, text("a-b"), renamed),
		with("key-new", "a label has another name", 0, all, text("machine"), renamed),
		with("key-same", "a label has a name that is a new string and not new", 0, all, text("host"), renamed),
		with("key-twin", "a label has the name of another as a new string", abi.BadOutput, all, text("job"), renamed),
		with("name-empty", "a record has no name", abi.BadOutput, all, text(""), store(nameAt, sampleStrings)),
	}
	bomb := with("string-bomb", "it makes more new strings in an hour than it may", abi.Expansion, all,
		as.Result(strings.Split("abcdefghij", ""), nil, nil), "")
	bomb.limits = plugins.Limits{Distinct: 8}
	return append(list, bomb)
}

// roomCases give no room for the batch, or another one each time.
func roomCases() []Case {
	wrong := func(name, about string, code abi.Code, at as.Code) Case {
		return Case{Name: "output/" + name, About: about, Step: plugins.StepInit, Code: code, atLoad: true, module: func() []byte {
			g := guest(as.All(), "", nil)
			g.Alloc = at
			return g.Bytes()
		}}
	}
	works := func(name, about string, at as.Code) Case {
		return Case{Name: "output/" + name, About: about, module: func() []byte {
			g := guest(as.All(), "", nil)
			g.Setup = func(m *as.Module) { m.AddGlobal('i', as.I32(as.RoomAt)) }
			g.Alloc = at
			return g.Bytes()
		}}
	}
	return []Case{
		wrong("no-room", "there is no room for a batch", abi.OutOfMemory, as.I32(0)),
		wrong("room-unaligned", "the room for a batch is not aligned", abi.BadOutput, as.I32(as.RoomAt+4)),
		wrong("room-outside", "the room for a batch is outside of memory", abi.BadOutput, as.I32(0xfffffff8)),
		wrong("room-at-the-end", "the room for a batch reaches over the end of memory", abi.BadOutput, as.I32(as.Pages*65536)),
		works("room-elsewhere", "the room for a batch is elsewhere each time", as.Global(0)+as.I32(4096)+as.I32Add+as.SetGlobal(0)+as.Global(0)),
		works("room-by-growing", "memory grows for every batch", as.MemorySize+as.I32(16)+as.I32Shl+as.I32(1)+as.MemoryGrow+as.Drop),
	}
}
