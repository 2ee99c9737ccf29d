package meter

import (
	"encoding/binary"

	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// code is bytes of a module that are being written.
type code []byte

func (c *code) u32(v uint32) { *c = binary.AppendUvarint(*c, uint64(v)) }

func (c *code) signed(v int64) {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			*c = append(*c, b)
			return
		}
		*c = append(*c, b|0x80)
	}
}

func (c *code) name(s string) {
	c.u32(uint32(len(s)))
	*c = append(*c, s...)
}

// sized appends b after its length.
func (c *code) sized(b []byte) {
	c.u32(uint32(len(b)))
	*c = append(*c, b...)
}

// op appends instructions without immediates; those behind a prefix have it.
func (c *code) op(ops ...module.Op) {
	for _, o := range ops {
		if o > 0xff {
			*c = append(*c, byte(o>>8))
			c.u32(uint32(o & 0xff))
			continue
		}
		*c = append(*c, byte(o))
	}
}

// at appends an instruction with an index.
func (c *code) at(o module.Op, index uint32) {
	c.op(o)
	c.u32(index)
}

// memory appends an instruction that names the memory n times.
func (c *code) memory(o module.Op, n int) {
	c.op(o)
	*c = append(*c, make([]byte, n)...)
}

func (c *code) i32(v int32) {
	c.op(module.OpI32Const)
	c.signed(int64(v))
}

func (c *code) i64(v int64) {
	c.op(module.OpI64Const)
	c.signed(v)
}

func (c *code) funcType(t module.FuncType) {
	*c = append(*c, 0x60)
	for _, list := range [][]module.ValueType{t.Params, t.Results} {
		c.u32(uint32(len(list)))
		for _, v := range list {
			*c = append(*c, byte(v))
		}
	}
}

func (c *code) limits(l module.Limits) {
	if !l.Capped {
		*c = append(*c, 0)
		c.u32(l.Min)
		return
	}
	*c = append(*c, 1)
	c.u32(l.Min)
	c.u32(l.Max)
}

// constant appends a constant expression, a function in it under its new index.
func (w *rewriter) constant(c *code, e module.Const) {
	if e.Op != module.OpRefFunc {
		*c = append(*c, e.Raw...)
		return
	}
	c.at(module.OpRefFunc, w.shift(e.Index))
	c.op(module.OpEnd)
}
