package meter

import "github.com/sluice-metrics/sluice/plugins/internal/module"

// Opcodes that only the code of a meter needs names for.
const (
	opElse    module.Op = 0x05
	opI32GtU  module.Op = 0x4b
	opI32LtU  module.Op = 0x49
	opI64LtS  module.Op = 0x53
	opI32Add  module.Op = 0x6a
	opI32Sub  module.Op = 0x6b
	opI32Or   module.Op = 0x72
	opI32ShrU module.Op = 0x76
	opI64Add  module.Op = 0x7c
	opI64Sub  module.Op = 0x7d
	opExtend  module.Op = 0xad // i64.extend_i32_u

	noResult = 0x40 // block type
)

// function returns the body of a function, metered. One without loops and calls that
// is short stays as it is, but for the indices in it.
func (w *rewriter) function(i int) []byte {
	b := w.m.Bodies[i]
	weights := tolls(b)
	pays := weights[0] > free || b.Shape.Loops > 0 || b.Shape.Calls
	left := uint32(b.Shape.Variables) // a local of its own: fuel
	deep := left + 1                  // another: depth

	out := make(code, 0, len(b.Code)+len(b.Code)/8+64)
	w.locals(&out, b, pays)
	if pays {
		w.pay(&out, weights[0], left)
	}
	if b.Shape.Calls {
		w.enter(&out, b.Shape, deep, w.m.Types[w.m.Funcs[i]].Results)
	}
	open, loop := 0, 0
	for in := range b.Instructions() {
		switch in.Op {
		case module.OpBlock, module.OpLoop, module.OpIf:
			open++
		case module.OpEnd:
			if open == 0 && b.Shape.Calls {
				w.leave(&out, b.Shape)
			}
			open--
		}
		w.instruction(&out, in, open, b.Shape.Calls)
		if in.Op == module.OpLoop {
			loop++
			w.pay(&out, weights[loop], left)
		}
	}
	return out
}

func (w *rewriter) locals(out *code, b module.Body, pays bool) {
	groups := b.Groups
	var own code
	if pays {
		groups++
		own = append(own, 1, byte(module.I64))
	}
	if b.Shape.Calls {
		groups++
		own = append(own, 1, byte(module.I32))
	}
	out.u32(groups)
	*out = append(append(*out, b.Decl...), own...)
}

// instruction appends one; open says how many blocks of the module are.
func (w *rewriter) instruction(out *code, in module.Instruction, open int, guarded bool) {
	switch in.Op {
	case module.OpCall, module.OpRefFunc:
		out.at(in.Op, w.shift(in.Index))
	case module.OpReturn:
		if !guarded {
			out.op(in.Op)
			return
		}
		out.at(module.OpBr, uint32(open))
	case module.OpMemoryFill:
		out.at(module.OpCall, w.extra(fill))
	case module.OpMemoryCopy:
		out.at(module.OpCall, w.extra(copying))
	case module.OpMemoryGrow:
		out.at(module.OpCall, w.extra(grow))
	case module.OpMemoryInit, module.OpTableInit, module.OpTableCopy, module.OpTableGrow, module.OpTableFill:
		out.at(module.OpCall, w.extra(charge))
		*out = append(*out, in.Raw...)
	default:
		*out = append(*out, in.Raw...)
	}
}

// pay takes the fuel for a weight; left is a local that it may use.
func (w *rewriter) pay(out *code, weight int, left uint32) {
	out.at(module.OpGlobalGet, w.fuel)
	out.i64(int64(1 + weight/unit))
	w.take(out, left)
}

// take subtracts what stands on the stack from the fuel that stands below it, and asks
// for more when that is gone. What is below zero stays owed.
func (w *rewriter) take(out *code, left uint32) {
	out.op(opI64Sub)
	out.at(module.OpLocalTee, left)
	out.at(module.OpGlobalSet, w.fuel)
	out.at(module.OpLocalGet, left)
	out.i64(0)
	out.op(opI64LtS)
	out.op(module.OpIf, noResult)
	out.at(module.OpCall, w.tick)
	out.at(module.OpGlobalGet, w.fuel) // not the local: it would be kept over the call
	out.op(opI64Add)
	out.at(module.OpGlobalSet, w.fuel)
	out.op(module.OpEnd)
}

// enter adds a call to the depth and opens a block in place of the function's own, so
// that every way out of it comes by leave.
func (w *rewriter) enter(out *code, s module.Shape, deep uint32, results []module.ValueType) {
	out.at(module.OpGlobalGet, w.depth)
	out.i32(frame(s))
	out.op(opI32Add)
	out.at(module.OpLocalTee, deep)
	out.at(module.OpGlobalSet, w.depth)
	out.at(module.OpLocalGet, deep)
	out.i32(int32(w.o.Depth))
	out.op(opI32GtU, module.OpIf, noResult, module.OpUnreachable, module.OpEnd)
	out.op(module.OpBlock)
	switch len(results) {
	case 0:
		out.op(noResult)
	case 1:
		out.op(module.Op(results[0]))
	default:
		out.signed(int64(w.typeOf(module.FuncType{Results: results})))
	}
}

func (w *rewriter) leave(out *code, s module.Shape) {
	out.op(module.OpEnd)
	out.at(module.OpGlobalGet, w.depth)
	out.i32(frame(s))
	out.op(opI32Sub)
	out.at(module.OpGlobalSet, w.depth)
}
