// Package module reads a WebAssembly module without running it: its sections, the
// instructions of its functions, its manifest; and says whether it is one that a
// plugin may be. It knows the binary format of core 2.0 and the interface of
// plugins/abi, and nothing of runtimes: operand types are the compiler's to check.
// Every index is checked here, because who rewrites a module adds functions, globals
// and types to it that the module must not be able to name.
package module

import "slices"

// ValueType is a type of a parameter, result, local, global or table element.
type ValueType byte

// The value types of core 2.0.
const (
	I32     ValueType = 0x7f
	I64     ValueType = 0x7e
	F32     ValueType = 0x7d
	F64     ValueType = 0x7c
	V128    ValueType = 0x7b
	FuncRef ValueType = 0x70
	Extern  ValueType = 0x6f
)

// String returns the type's name in the text format.
func (v ValueType) String() string {
	switch v {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case Extern:
		return "externref"
	}
	return "unknown"
}

// Kind is what an import or export is.
type Kind byte

// The kinds, as they are encoded.
const (
	Function Kind = iota
	TableKind
	MemoryKind
	GlobalKind
)

// String returns the kind's name in the text format.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown"
}

var kinds = [...]string{Function: "func", TableKind: "table", MemoryKind: "memory", GlobalKind: "global"}

// Module is one that was parsed. It refers to the bytes that it was parsed from,
// which must not change, and is not changed itself after Parse.
type Module struct {
	Size      int // bytes
	Types     []FuncType
	Imports   []Import
	Funcs     []uint32 // the type of each function that is not imported
	Tables    []Table  // not imported
	Memories  []Limits // not imported, pages
	Globals   []Global // not imported
	Exports   []Export
	Start     *uint32 // function
	Elems     []Elem
	DataCount *uint32 // section data count
	Bodies    []Body  // one per Funcs
	Data      []byte  // contents of the section data; nil: none
	Segments  int     // data segments
	DataBytes int     // in all of them
	Customs   []Custom

	imported [4]int // imports of each kind
}

// FuncType is the type of a function.
type FuncType struct{ Params, Results []ValueType }

// String returns the type as (i32, i32) -> i64.
func (t FuncType) String() string {
	return list(t.Params) + " -> " + list(t.Results)
}

// Equal says whether two types are the same.
func (t FuncType) Equal(u FuncType) bool {
	return slices.Equal(t.Params, u.Params) && slices.Equal(t.Results, u.Results)
}

// Limits are those of a memory in pages of 64 KiB or of a table in elements.
type Limits struct {
	Min    uint32
	Max    uint32 // if Capped
	Capped bool
}

// Table is a table's type.
type Table struct {
	Type ValueType // FuncRef or Extern
	Limits
}

// GlobalType is a global's type.
type GlobalType struct {
	Type    ValueType
	Mutable bool
}

// Global is a global that is not imported.
type Global struct {
	GlobalType
	Init Const
}

// Import is what a module wants. Of Func, Table, Memory and Global the one counts
// that Kind says.
type Import struct {
	Module, Name string
	Kind         Kind
	Func         uint32 // type
	Table        Table
	Memory       Limits
	Global       GlobalType
}

// Export is what a module gives.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32 // among those of its kind, imported ones first
}

// Elem is a segment of table elements.
type Elem struct {
	Flags  uint32 // as encoded, 0 to 7
	Table  uint32
	Offset Const // of an active segment
	Type   byte  // element kind or type, for Flags that have one
	Funcs  []uint32
	Exprs  []Const // in place of Funcs, for Flags 4 to 7
}

// Const is a constant expression: one instruction and its end.
type Const struct {
	Op    Op
	Index uint32 // of OpGlobalGet and OpRefFunc
	Raw   []byte // with the end
}

// Body is the code of a function.
type Body struct {
	Groups uint32 // of locals of one type
	Decl   []byte // the groups
	Locals uint32 // declared, parameters not counted
	Code   []byte // instructions, to the last end; see Instructions
	Shape  Shape
}

// Custom is a section that the format gives no meaning to.
type Custom struct {
	Name string
	Data []byte
}

// Imported returns how many imports are of a kind; an index of that kind below it
// means an import.
func (m *Module) Imported(k Kind) int { return m.imported[k] }

// TypeOf returns the type of a function by its index, imported ones first.
func (m *Module) TypeOf(function uint32) FuncType {
	if i := int(function) - m.imported[Function]; i >= 0 {
		return m.Types[m.Funcs[i]]
	}
	n := function
	for _, im := range m.Imports {
		if im.Kind != Function {
			continue
		}
		if n == 0 {
			return m.Types[im.Func]
		}
		n--
	}
	return FuncType{}
}

func (m *Module) count(k Kind) int {
	own := [...]int{Function: len(m.Funcs), TableKind: len(m.Tables), MemoryKind: len(m.Memories), GlobalKind: len(m.Globals)}
	return m.imported[k] + own[k]
}

func list(types []ValueType) string {
	if len(types) == 1 {
		return types[0].String()
	}
	out := "("
	for i, t := range types {
		if i > 0 {
			out += ", "
		}
		out += t.String()
	}
	return out + ")"
}
