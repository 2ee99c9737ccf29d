package assemble

import (
	"encoding/binary"
	"math"
)

// Code is a run of instructions, as they are encoded; + joins two.
type Code string

// Instructions without operands.
const (
	Unreachable Code = "\x00"
	Else        Code = "\x05"
	End         Code = "\x0b"
	Return      Code = "\x0f"
	Drop        Code = "\x1a"
	MemorySize  Code = "\x3f\x00"
	MemoryGrow  Code = "\x40\x00"
	I32Eqz      Code = "\x45"
	I32Eq       Code = "\x46"
	I32Ne       Code = "\x47"
	I32LtU      Code = "\x49"
	I32GeU      Code = "\x4f"
	I32Add      Code = "\x6a"
	I32Sub      Code = "\x6b"
	I32Mul      Code = "\x6c"
	I32DivS     Code = "\x6d"
	I32And      Code = "\x71"
	I32Or       Code = "\x72"
	I32Shl      Code = "\x74"
	I64Add      Code = "\x7c"
	I64Or       Code = "\x84"
	I64Shl      Code = "\x86"
	I64ExtendU  Code = "\xad"
	F64Eq       Code = "\x61"
	F64Mul      Code = "\xa2"
	MemoryCopy  Code = "\xfc\x0a\x00\x00"
	MemoryFill  Code = "\xfc\x0b\x00"
	TableGrow   Code = "\xfc\x0f\x00"
	NullFunc    Code = "\xd0\x70"
)

// The beginnings of blocks without parameters and results; End closes them.
const (
	Block Code = "\x02\x40"
	Loop  Code = "\x03\x40"
	If    Code = "\x04\x40"
)

// Get reads a local or parameter.
func Get(local int) Code { return op(0x20, local) }

// Set writes a local or parameter.
func Set(local int) Code { return op(0x21, local) }

// Tee writes a local or parameter and leaves the value.
func Tee(local int) Code { return op(0x22, local) }

// Global reads a global, SetGlobal writes one.
func Global(i int) Code { return op(0x23, i) }

// SetGlobal writes a global.
func SetGlobal(i int) Code { return op(0x24, i) }

// Br jumps to the end of the depth-th block around, or to the begin of that loop.
func Br(depth int) Code { return op(0x0c, depth) }

// BrIf jumps when the operand is not zero.
func BrIf(depth int) Code { return op(0x0d, depth) }

// BrTable jumps by the operand: to one of the targets, past them to the last.
func BrTable(targets ...int) Code {
	c := op(0x0e, len(targets)-1)
	for _, t := range targets {
		c += Code(uleb(uint64(t)))
	}
	return c
}

// Call calls a function.
func Call(f uint32) Code { return op(0x10, int(f)) }

// CallIndirect calls the function of the table that the operand numbers, of a type.
func CallIndirect(params, results string, m *Module) Code {
	return op(0x11, int(m.typeOf(params, results))) + "\x00"
}

// I32 and I64 are constants; a number above the signed range is meant by its bits.
func I32(n int64) Code { return "\x41" + Code(sleb(int64(int32(n)))) }

// I64 is a constant.
func I64(n int64) Code { return "\x42" + Code(sleb(n)) }

// F64 is a constant.
func F64(x float64) Code {
	return "\x44" + Code(binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)))
}

// Loads and stores; offset is added to the address, alignment is never claimed.

// I32Load reads 4 bytes.
func I32Load(offset int) Code { return access(0x28, offset) }

// I64Load reads 8 bytes.
func I64Load(offset int) Code { return access(0x29, offset) }

// F64Load reads a number.
func F64Load(offset int) Code { return access(0x2b, offset) }

// I32Load8 reads a byte.
func I32Load8(offset int) Code { return access(0x2d, offset) }

// I32Load16 reads 2 bytes.
func I32Load16(offset int) Code { return access(0x2f, offset) }

// I32Store writes 4 bytes.
func I32Store(offset int) Code { return access(0x36, offset) }

// I64Store writes 8 bytes.
func I64Store(offset int) Code { return access(0x37, offset) }

// F64Store writes a number.
func F64Store(offset int) Code { return access(0x39, offset) }

// I32Store8 writes a byte.
func I32Store8(offset int) Code { return access(0x3a, offset) }

// I32Store16 writes 2 bytes.
func I32Store16(offset int) Code { return access(0x3b, offset) }

func op(code byte, operand int) Code {
	return Code([]byte{code}) + Code(uleb(uint64(operand)))
}

func access(code byte, offset int) Code {
	return Code([]byte{code, 0}) + Code(uleb(uint64(offset)))
}

func uleb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func sleb(n int64) (out []byte) {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
