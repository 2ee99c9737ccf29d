package assemble

import (
	"bytes"
	"encoding/binary"
	"encoding/json"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Where a guest made here keeps things in its memory.
const (
	ResultAt = 1 << 10 // the result that it answers with
	RoomAt   = 1 << 16 // batches, up to 1.4 MiB
	Pages    = 24      // of memory
)

// Guest writes a plugin: a module with what one must export, and its manifest.
// transform is the code of sluice_transform: parameter 0 is where the batch is, 1
// its length, the locals follow; it leaves the answer, an i64. Parts that are nil
// do what a plugin has to.
type Guest struct {
	Manifest  abi.Manifest
	Locals    string
	Transform Code
	Init      Code // of sluice_init, which has the same parameters; leaves the code
	Alloc     Code // of sluice_alloc, whose parameter is the size; leaves the address

	Setup func(m *Module) // called first: imports, then functions, tables, data
}

// Module assembles the guest.
func (g Guest) Module() *Module {
	m := &Module{}
	if g.Setup != nil {
		g.Setup(m)
	}
	if g.Init == "" {
		g.Init = I32(0)
	}
	if g.Alloc == "" {
		g.Alloc = I32(RoomAt)
	}
	if g.Transform == "" {
		g.Transform = I64(0)
	}
	if len(m.memories) == 0 {
		m.Memory(Pages, -1)
	}
	m.Export(abi.Memory, 2, 0)
	m.Func(abi.Version, "", "i", "", I32(abi.Minor))
	m.Func(abi.Alloc, "i", "i", "", g.Alloc)
	m.Func(abi.Init, "ii", "i", "", g.Init)
	m.Func(abi.Transform, "ii", "I", g.Locals, g.Transform)
	return m
}

// Bytes assembles the guest with its manifest; what the manifest lacks and must
// have is filled in.
func (g Guest) Bytes() []byte {
	m := g.Module()
	m.Custom(abi.ManifestSection, ManifestJSON(g.Manifest))
	return m.Bytes()
}

// ManifestJSON spells a manifest, with what must be in one filled in.
func ManifestJSON(m abi.Manifest) []byte {
	for _, f := range []struct {
		v *string
		d string
	}{{&m.Name, "assembled"}, {&m.Version, "1.0.0"}, {&m.ABI, "1.0"}, {(*string)(&m.Scope), string(abi.SampleScope)}} {
		if *f.v == "" {
			*f.v = f.d
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings, numbers and lists of them
	}
	return b
}

// All is a manifest that lets a plugin see and change everything.
func All() abi.Manifest {
	return abi.Manifest{
		Needs:  abi.Needs{Labels: []string{"*"}},
		Writes: abi.Writes{Labels: []string{"*"}, Value: true, Name: true, Drop: true, Emit: true},
	}
}

// Answer is the code that answers with the result at ResultAt.
func Answer() Code { return I64(int64(abi.Answered(ResultAt))) }

// Result lays out a result for ResultAt, with strings, records and pairs behind it.
func Result(strings []string, records []abi.Record, pairs []abi.Pair) []byte {
	at := uint32(ResultAt + abi.ResultSize)
	r := abi.Result{Magic: abi.ResultMagic, Strings: uint32(len(strings)), RefsAt: at, Records: uint32(len(records)), Pairs: uint32(len(pairs))}
	r.RecordsAt = at + uint32(len(strings)*abi.RefSize)
	r.PairsAt = r.RecordsAt + uint32(len(records)*abi.RecordSize)
	text := r.PairsAt + uint32(len(pairs)*abi.PairSize)
	var b, tail bytes.Buffer
	write(&b, r)
	for _, s := range strings {
		write(&b, abi.Ref{At: text + uint32(tail.Len()), Length: uint32(len(s))})
		tail.WriteString(s)
	}
	write(&b, records)
	write(&b, pairs)
	return append(b.Bytes(), tail.Bytes()...)
}

func write(b *bytes.Buffer, v any) {
	if err := binary.Write(b, binary.LittleEndian, v); err != nil {
		panic(err) // plain structs of numbers
	}
}

// EachRecord is code that runs body for every record of the batch at parameter 0,
// with its address in local at and how many are left in local left.
func EachRecord(at, left int, body Code) Code {
	return Get(0) + Get(0) + I32Load(20) + I32Add + Set(at) +
		Get(0) + I32Load(8) + Set(left) +
		Block + Loop + Get(left) + I32Eqz + BrIf(1) +
		body +
		Get(at) + I32(int64(abi.RecordSize)) + I32Add + Set(at) +
		Get(left) + I32(1) + I32Sub + Set(left) + Br(0) + End + End
}

// Rename is a plugin that gives one label another name and multiplies values: the
// job that plugins are measured with.
func Rename(from, to string, factor float64) []byte {
	const at, left, pair, pairs, key, ref, i = 2, 3, 4, 5, 6, 7, 8
	const fromAt = 512
	find := Get(0) + Get(0) + I32Load(28) + I32Add + Set(ref) + I32(-1) + Set(key) + I32(0) + Set(i) +
		Block + Loop + Get(i) + Get(0) + I32Load(16) + I32GeU + BrIf(1) +
		Get(ref) + I32Load(4) + I32(int64(len(from))) + I32Eq + If +
		Get(0) + Get(ref) + I32Load(0) + I32Add + Set(pair) + I32(0) + Set(pairs) +
		Block + Loop +
		Get(pairs) + I32(int64(len(from))) + I32Eq + If + Get(i) + Set(key) + Br(2) + End +
		Get(pair) + Get(pairs) + I32Add + I32Load8(0) + Get(pairs) + I32Load8(fromAt) + I32Ne + BrIf(1) +
		Get(pairs) + I32(1) + I32Add + Set(pairs) + Br(0) + End + End +
		End +
		Get(ref) + I32(8) + I32Add + Set(ref) + Get(i) + I32(1) + I32Add + Set(i) + Br(0) + End + End
	each := EachRecord(at, left,
		Get(at)+Get(at)+F64Load(8)+F64(factor)+F64Mul+F64Store(8)+
			Get(0)+Get(0)+I32Load(24)+I32Add+Get(at)+I32Load(20)+I32(3)+I32Shl+I32Add+Set(pair)+
			Get(pair)+Get(at)+I32Load16(24)+I32(3)+I32Shl+I32Add+Set(pairs)+
			Block+Loop+Get(pair)+Get(pairs)+I32GeU+BrIf(1)+
			Get(pair)+I32Load(0)+Get(key)+I32Eq+If+Get(pair)+Get(0)+I32Load(16)+I32Store(0)+End+
			Get(pair)+I32(8)+I32Add+Set(pair)+Br(0)+End+End)
	m := All()
	m.Name, m.Writes = "rename-scale", abi.Writes{Labels: []string{from, to}, Value: true}
	return Guest{
		Manifest: m, Locals: "iiiiiii", Transform: find + each + Answer(),
		Setup: func(m *Module) {
			m.Data(fromAt, []byte(from))
			m.Data(ResultAt, Result([]string{to}, nil, nil))
		},
	}.Bytes()
}
