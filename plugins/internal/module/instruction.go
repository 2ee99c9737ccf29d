package module

import (
	"iter"
	"math"
)

// Op is an opcode; those behind a prefix have it in their upper byte.
type Op uint16

// The opcodes that something is done about beyond reading over them.
const (
	OpUnreachable  Op = 0x00
	OpBlock        Op = 0x02
	OpLoop         Op = 0x03
	OpIf           Op = 0x04
	OpEnd          Op = 0x0b
	OpBr           Op = 0x0c
	OpBrIf         Op = 0x0d
	OpBrTable      Op = 0x0e
	OpReturn       Op = 0x0f
	OpCall         Op = 0x10
	OpCallIndirect Op = 0x11
	OpSelect       Op = 0x1b
	OpSelectTyped  Op = 0x1c
	OpLocalGet     Op = 0x20
	OpLocalSet     Op = 0x21
	OpLocalTee     Op = 0x22
	OpGlobalGet    Op = 0x23
	OpGlobalSet    Op = 0x24
	OpTableGet     Op = 0x25
	OpTableSet     Op = 0x26
	OpMemorySize   Op = 0x3f
	OpMemoryGrow   Op = 0x40
	OpI32Const     Op = 0x41
	OpI64Const     Op = 0x42
	OpF32Const     Op = 0x43
	OpF64Const     Op = 0x44
	OpRefNull      Op = 0xd0
	OpRefIsNull    Op = 0xd1
	OpRefFunc      Op = 0xd2

	OpMemoryInit Op = 0xfc08
	OpDataDrop   Op = 0xfc09
	OpMemoryCopy Op = 0xfc0a
	OpMemoryFill Op = 0xfc0b
	OpTableInit  Op = 0xfc0c
	OpElemDrop   Op = 0xfc0d
	OpTableCopy  Op = 0xfc0e
	OpTableGrow  Op = 0xfc0f
	OpTableSize  Op = 0xfc10
	OpTableFill  Op = 0xfc11

	OpV128Const Op = 0xfd0c
	OpShuffle   Op = 0xfd0d
)

// Instruction is one in the code of a function.
type Instruction struct {
	Op    Op
	Index uint32 // its first immediate that is an index or a label; the furthest label of OpBrTable
	Count uint32 // the labels of OpBrTable but for the last
	Raw   []byte // as encoded
}

// Instructions returns the instructions of a body of a parsed module, in order, to
// the last end.
func (b Body) Instructions() iter.Seq[Instruction] {
	return func(yield func(Instruction) bool) {
		r := &reader{b: b.Code}
		for r.more() {
			if !yield(readInstruction(r, nil)) {
				return
			}
		}
	}
}

// bounds are the numbers that indices in a function must be below.
type bounds struct {
	types, funcs, tables, memories, globals, locals, elems, datas int
	labels                                                        int // open blocks, the function's own included
}

// unbounded is for code that was checked before.
var unbounded = bounds{many, many, many, many, many, many, many, many, many}

const many = math.MaxInt

// readInstruction reads one, its indices checked against b unless that is nil.
func readInstruction(r *reader, b *bounds) Instruction {
	if b == nil {
		b = &unbounded
	}
	start := r.at
	first := r.byte()
	in := Instruction{Op: Op(first)}
	switch {
	case r.err != nil:
	case first == 0xfc || first == 0xfd:
		in.Op = readPrefixed(r, first)
		readPrefixedImmediates(r, &in, b)
	default:
		readImmediates(r, start, &in, b)
	}
	if r.err == nil {
		in.Raw = r.b[start:r.at]
	}
	return in
}

// readPrefixed reads what follows a prefix. Only the shortest form is one: a compiler
// that takes the second byte for the opcode must not see another instruction.
func readPrefixed(r *reader, prefix byte) Op {
	start := r.at
	sub := r.u32()
	switch {
	case r.err != nil:
	case r.at-start > 1 && sub < 0x80 || r.at-start > 2:
		r.fail(malformed(start, "opcode %#x %#x is longer than it need be", prefix, sub))
	case prefix == 0xfc && sub > 17:
		r.fail(malformed(start, "opcode 0xfc %#x is none of core 2.0", sub))
	case prefix == 0xfd && sub > 0xff:
		r.fail(refused("it uses relaxed SIMD (opcode 0xfd %#x), which is not let in", sub))
	}
	return Op(prefix)<<8 | Op(sub)
}

func readImmediates(r *reader, start int, in *Instruction, b *bounds) {
	switch op := in.Op; {
	case op == OpBlock || op == OpLoop || op == OpIf:
		readBlockType(r, b)
	case op == OpBr || op == OpBrIf:
		in.Index = r.index("label", b.labels)
	case op == OpBrTable:
		in.Count = r.u32()
		for i := uint32(0); i <= in.Count && r.err == nil; i++ {
			in.Index = max(in.Index, r.index("label", b.labels))
		}
	case op == OpCall || op == OpRefFunc:
		in.Index = r.index("func", b.funcs)
	case op == OpCallIndirect:
		in.Index = r.index("type", b.types)
		r.index("table", b.tables)
	case op == OpSelectTyped:
		if at := r.at; r.u32() != 1 && r.err == nil {
			r.fail(malformed(at, "a select has other than one type"))
		}
		r.valueType()
	case op >= OpLocalGet && op <= OpLocalTee:
		in.Index = r.index("local", b.locals)
	case op == OpGlobalGet || op == OpGlobalSet:
		in.Index = r.index("global", b.globals)
	case op == OpTableGet || op == OpTableSet:
		in.Index = r.index("table", b.tables)
	case op >= 0x28 && op <= 0x3e:
		readAddress(r, b)
	case op == OpMemorySize || op == OpMemoryGrow:
		readMemoryIndex(r, b)
	case op == OpI32Const:
		r.signed(32)
	case op == OpI64Const:
		r.signed(64)
	case op == OpF32Const:
		r.take(4)
	case op == OpF64Const:
		r.take(8)
	case op == OpRefNull:
		r.refType()
	case plain(op):
	default:
		r.fail(unknownOp(start, op))
	}
}

// plain says whether an opcode has no immediates.
func plain(op Op) bool {
	return op <= 0x01 || op == 0x05 || op == OpEnd || op == OpReturn || op == 0x1a || op == OpSelect ||
		op >= 0x45 && op <= 0xc4 || op == OpRefIsNull
}

func unknownOp(at int, op Op) *Error {
	switch {
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return refused("byte %d: it uses exceptions (opcode %#x), which are not let in", at, op)
	case op == 0x12 || op == 0x13 || op == 0x15:
		return refused("byte %d: it uses tail calls (opcode %#x), which are not let in", at, op)
	case op == 0x14 || op >= 0xd3 && op <= 0xd6:
		return refused("byte %d: it uses typed references (opcode %#x), which are not let in", at, op)
	case op == 0xfb:
		return refused("byte %d: it uses garbage collection (opcode %#x), which is not let in", at, op)
	case op == 0xfe:
		return refused("byte %d: it uses threads (opcode %#x), which are not let in", at, op)
	}
	return malformed(at, "opcode %#x is none of core 2.0", op)
}

func readPrefixedImmediates(r *reader, in *Instruction, b *bounds) {
	switch op := in.Op; {
	case op < OpMemoryInit: // conversions
	case op == OpMemoryInit:
		in.Index = r.index("data segment", b.datas)
		readMemoryIndex(r, b)
	case op == OpDataDrop:
		in.Index = r.index("data segment", b.datas)
	case op == OpMemoryCopy:
		readMemoryIndex(r, b)
		readMemoryIndex(r, b)
	case op == OpMemoryFill:
		readMemoryIndex(r, b)
	case op == OpTableInit:
		in.Index = r.index("element segment", b.elems)
		r.index("table", b.tables)
	case op == OpElemDrop:
		in.Index = r.index("element segment", b.elems)
	case op == OpTableCopy:
		in.Index = r.index("table", b.tables)
		r.index("table", b.tables)
	case op >= OpTableGrow && op <= OpTableFill:
		in.Index = r.index("table", b.tables)
	case op >= 0xfd00 && op <= 0xfd0b, op == 0xfd5c, op == 0xfd5d:
		readAddress(r, b)
	case op == OpV128Const || op == OpShuffle:
		r.take(16)
	case op >= 0xfd15 && op <= 0xfd22: // lanes
		r.byte()
	case op >= 0xfd54 && op <= 0xfd5b: // loads and stores of a lane
		readAddress(r, b)
		r.byte()
	}
}

// readBlockType reads no type, one result, or the index of a type.
func readBlockType(r *reader, b *bounds) {
	start := r.at
	if c := ValueType(r.byte()); r.err != nil || c == 0x40 || c.String() != "unknown" {
		return
	}
	r.at = start
	if i := r.signed(33); r.err == nil && (i < 0 || i >= int64(b.types)) {
		r.fail(malformed(start, "block type %d: there are %d types", i, b.types))
	}
}

func readAddress(r *reader, b *bounds) {
	start := r.at
	if align := r.u32(); align >= 0x40 {
		r.fail(refused("byte %d: it uses several memories, which are not let in", start))
	} else if align >= 0x20 {
		r.fail(malformed(start, "an alignment is too large"))
	}
	r.u32()
	if r.err == nil && b.memories == 0 {
		r.fail(malformed(start, "there is no memory"))
	}
}

func readMemoryIndex(r *reader, b *bounds) {
	start := r.at
	if i := r.byte(); r.err == nil && i != 0 {
		r.fail(refused("byte %d: it uses several memories, which are not let in", start))
	}
	if r.err == nil && b.memories == 0 {
		r.fail(malformed(start, "there is no memory"))
	}
}
