package module

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// onePage is a section memory.
var onePage = sect(SectionMemory, []byte{1, 0, 1})

func oneFunc(ops ...byte) []byte {
	return mod(types(":"), funcs(0), sect(SectionTable, []byte{1, 0x70, 0, 1}), onePage,
		sect(SectionGlobal, cat([]byte{1, 0x7f, 1, 0x41, 0, 0x0b})), code(body(none, ops...)))
}

func TestMalformed(t *testing.T) {
	tests := map[string]struct {
		b     []byte
		code  abi.Code
		words string
	}{
		"empty":                   {nil, abi.BadModule, "begins like this"},
		"text":                    {[]byte("(module)"), abi.BadModule, "begins like this"},
		"a component":             {[]byte("\x00asm\x0d\x00\x01\x00"), abi.BadModule, "version 1"},
		"unknown section":         {mod(sect(14, nil)), abi.BadModule, "section 14"},
		"section twice":           {mod(types(":"), types(":")), abi.BadModule, "section type is there twice"},
		"code before functions":   {mod(types(":"), code(), funcs(0)), abi.BadModule, "out of order"},
		"data count after code":   {mod(types(":"), funcs(0), code(body(none)), sect(SectionDataCount, []byte{0})), abi.BadModule, "section data count"},
		"section longer than all": {mod([]byte{1, 9, 1}), abi.BadModule, "9 bytes are announced, 1 are left"},
		"section goes on":         {mod(sect(SectionType, []byte{0, 0})), abi.BadModule, "goes on after its end"},
		"section ends early":      {mod(sect(SectionType, []byte{2, 0x60, 0, 0})), abi.BadModule, "ends in the middle"},
		"number of six bytes":     {mod(sect(SectionType, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0})), abi.BadModule, "too long"},
		"number with stray bits":  {mod(sect(SectionType, []byte{0x80, 0x80, 0x80, 0x80, 0x10})), abi.BadModule, "too long"},
		"type form":               {mod(sect(SectionType, []byte{1, 0x5f, 0, 0})), abi.BadModule, "type form"},
		"value type":              {mod(sect(SectionType, []byte{1, 0x60, 1, 0x69, 0})), abi.BadModule, "type 0x69"},
		"type of a function":      {mod(types(":"), funcs(1)), abi.BadModule, "type 1: there are 1"},
		"function without code":   {mod(types(":"), funcs(0)), abi.BadModule, "differ in number"},
		"code without function":   {mod(types(":"), code(body(none))), abi.BadModule, "code for more than the 0"},
		"name that is no UTF-8":   {mod(sect(SectionCustom, []byte{1, 0xff})), abi.BadModule, "UTF-8"},
		"export twice":            {mod(onePage, exports(export("m", MemoryKind, 0), export("m", MemoryKind, 0))), abi.BadModule, `"m" is there twice`},
		"export of none":          {mod(onePage, exports(export("m", MemoryKind, 1))), abi.BadModule, "memory 1: there are 1"},
		"export kind":             {mod(onePage, exports(export("m", 5, 0))), abi.BadModule, "export kind"},
		"start of none":           {mod(sect(SectionStart, []byte{0})), abi.BadModule, "func 0: there are 0"},
		"data count":              {mod(onePage, sect(SectionDataCount, []byte{1})), abi.BadModule, "data count"},
		"global in constant":      {mod(sect(SectionGlobal, []byte{1, 0x7f, 0, 0x23, 0, 0x0b})), abi.BadModule, "global 0: there are 0"},
		"sum in constant":         {mod(sect(SectionGlobal, []byte{1, 0x7f, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b})), abi.BadModule, "more than one instruction"},
		"nothing in constant":     {mod(sect(SectionGlobal, []byte{1, 0x7f, 0, 0x0b})), abi.BadModule, "constant expression"},
		"element of none":         {mod(sect(SectionElem, []byte{1, 0, 0x41, 0, 0x0b, 1, 7})), abi.BadModule, "func 7"},
		"element flags":           {mod(sect(SectionElem, []byte{1, 8})), abi.BadModule, "flags 0x8"},

		// What a meter adds must not be there for the module to name.
		"next function":    {oneFunc(0x10, 1), abi.BadModule, "func 1: there are 1"},
		"next type":        {oneFunc(0x41, 0, 0x11, 1, 0), abi.BadModule, "type 1: there are 1"},
		"next global":      {oneFunc(0x41, 0, 0x24, 1), abi.BadModule, "global 1: there are 1"},
		"next local":       {oneFunc(0x20, 0), abi.BadModule, "local 0: there are 0"},
		"next label":       {oneFunc(0x0c, 1), abi.BadModule, "label 1: there are 1"},
		"label of a table": {oneFunc(0x41, 0, 0x0e, 1, 0, 1), abi.BadModule, "label 1: there are 1"},
		"block type":       {oneFunc(0x02, 1, 0x0b), abi.BadModule, "block type 1"},
		"long block type":  {oneFunc(0x02, 0xc0, 0x7f, 0x0b), abi.BadModule, "block type -64"},
		"next table":       {oneFunc(0xfc, 0x10, 1), abi.BadModule, "table 1"},
		"next data":        {oneFunc(0xfc, 0x09, 0), abi.BadModule, "data segment 0"},
		"next elements":    {oneFunc(0xfc, 0x0d, 0), abi.BadModule, "element segment 0"},

		// What a compiler may read as another instruction.
		"long misc opcode":   {oneFunc(0xfc, 0x88, 0x00), abi.BadModule, "longer than it need be"},
		"long vector opcode": {oneFunc(0xfd, 0x8c, 0x00), abi.BadModule, "longer than it need be"},
		"long constant":      {oneFunc(0x41, 0x80, 0x80, 0x80, 0x80, 0x70, 0x1a), abi.BadModule, "too long"},
		"long reserved byte": {oneFunc(0x3f, 0x80, 0x00), abi.Gate, "several memories"},
		"code after the end": {oneFunc(0x0b, 0x01), abi.BadModule, "after its end"},
		"missing end":        {oneFunc(0x02, 0x40), abi.BadModule, "ends in the middle"},
		"misc opcode":        {oneFunc(0xfc, 18), abi.BadModule, "0xfc 0x12"},
		"opcode":             {oneFunc(0x27), abi.BadModule, "0x27"},
		"select of two":      {oneFunc(0x1c, 2, 0x7f, 0x7f), abi.BadModule, "select"},

		"tail call":         {oneFunc(0x12, 0), abi.Gate, "tail calls"},
		"exceptions":        {oneFunc(0x06, 0x40, 0x0b), abi.Gate, "exceptions"},
		"tags":              {mod(sect(SectionTag, []byte{0})), abi.Gate, "exceptions"},
		"atomics":           {oneFunc(0xfe, 0x03, 0), abi.Gate, "threads"},
		"shared memory":     {mod(sect(SectionMemory, []byte{1, 3, 1, 1})), abi.Gate, "threads"},
		"memory64":          {mod(sect(SectionMemory, []byte{1, 4, 1})), abi.Gate, "memory64"},
		"two memories":      {mod(sect(SectionMemory, []byte{2, 0, 1, 0, 1})), abi.Gate, "2 memories"},
		"second memory":     {oneFunc(0x41, 0, 0x28, 0x42, 1, 0), abi.Gate, "several memories"},
		"relaxed SIMD":      {oneFunc(0xfd, 0x80, 0x02), abi.Gate, "relaxed SIMD"},
		"garbage collector": {oneFunc(0xfb, 0), abi.Gate, "garbage collection"},
		"call by reference": {oneFunc(0x14, 0), abi.Gate, "typed references"},
		"many locals":       {mod(types(":"), funcs(0), code(body([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f}))), abi.Gate, "locals"},
		"many functions":    {mod(types(":"), sect(SectionFunction, []byte{0xff, 0xff, 0xff, 0xff, 0x0f})), abi.Gate, "functions"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tt.b)
			step := StepParse
			if tt.code == abi.Gate {
				step = StepGate
			}
			wants(t, err, tt.code, step, tt.words)
		})
	}
}

func TestTooLarge(t *testing.T) {
	_, err := Parse(make([]byte, MaxSize+1))
	wants(t, err, abi.Gate, StepGate, "the most is 16777216")
}

// Every prefix of a module is refused, and none is taken for a whole one but where a
// section ends.
func TestTruncated(t *testing.T) {
	whole, err := AppendManifest(plugin(nil), manifest)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		m, err := Parse(whole[:n])
		if err == nil && m.Gate() == nil {
			if _, err = m.Manifest(); err == nil {
				t.Errorf("its first %d bytes of %d are a plugin", n, len(whole))
			}
		}
	}
}

// Numbers of linkers are padded, which the format allows up to their longest form.
func TestPaddedNumbers(t *testing.T) {
	m, err := Parse(mod(types(":i"), funcs(0), code(body(none, 0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x1a, 0x10, 0x80, 0x80, 0x80, 0x80, 0x00))))
	if err != nil {
		t.Fatal(err)
	}
	var ops []Op
	for in := range m.Bodies[0].Instructions() {
		ops = append(ops, in.Op)
	}
	if want := []Op{OpI32Const, 0x1a, OpCall, OpEnd}; !slices.Equal(ops, want) {
		t.Errorf("instructions %#x, want %#x", ops, want)
	}
}

func TestWhatIsRead(t *testing.T) {
	m, err := Parse(mod(
		types("iI:F", ":"),
		sect(SectionImport, vec(
			cat(str("a"), str("f"), []byte{0, 1}),
			cat(str("a"), str("t"), []byte{1, 0x6f, 1, 2, 3}),
			cat(str("a"), str("m"), []byte{2, 0, 4}),
			cat(str("a"), str("g"), []byte{3, 0x7e, 0}))),
		funcs(1, 0),
		sect(SectionTable, []byte{1, 0x70, 0, 5}),
		sect(SectionGlobal, []byte{1, 0x7e, 1, 0x23, 0, 0x0b}),
		exports(export("f", Function, 2)),
		sect(SectionStart, []byte{1}),
		sect(SectionElem, []byte{2, 0, 0x41, 0, 0x0b, 1, 1, 5, 0x70, 1, 0xd2, 2, 0x0b}),
		sect(SectionDataCount, []byte{2}),
		code(body([]byte{1, 2, 0x7f}, 0x03, 0x40, 0x10, 0, 0x0b), body(none, 0x44, 0, 0, 0, 0, 0, 0, 0, 0)),
		sect(SectionData, []byte{2, 0, 0x41, 0, 0x0b, 2, 'h', 'i', 1, 1, '!'}),
		sect(SectionCustom, cat(str("name"), []byte{1, 4, 1, 2, 1, 'f'})),
	))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.TypeOf(2).String(); got != "(i32, i64) -> f64" {
		t.Errorf("func 2 is %s", got)
	}
	if got := m.TypeOf(0).String(); got != "() -> ()" {
		t.Errorf("func 0 is %s", got)
	}
	if d := cmp.Diff([]FunctionName{{2, "f"}}, m.FunctionNames()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Shape{Size: 9, Instructions: 4, Variables: 2, Blocks: 1, Nest: 1, Calls: true, Loops: 1}, m.Bodies[0].Shape); d != "" {
		t.Error(d)
	}
	want := Figures{
		Size: m.Size, Functions: 2, Imports: 4, Exports: 1, Body: 11, Blocks: 1, Variables: 2, Product: 2, Nest: 1,
		Loops: 1, Instructions: 6, DataBytes: 3, TableElements: 5, Segments: 2,
	}
	if d := cmp.Diff(want, m.Figures()); d != "" {
		t.Error(d)
	}
	if *m.Start != 1 || *m.DataCount != 2 || m.Imported(TableKind) != 1 || m.Imports[2].Memory.Min != 4 || m.Elems[1].Exprs[0].Index != 2 {
		t.Errorf("%+v", m)
	}
}
