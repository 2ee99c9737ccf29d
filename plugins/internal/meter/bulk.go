package meter

import "github.com/sluice-metrics/sluice/plugins/internal/module"

// chunk is how many bytes are filled or copied at once: between two of them the guest
// can be stopped. A large operation is otherwise one instruction of milliseconds.
const chunk = 128 << 10

// extra is a function that a rewritten module has in addition.
type extra int

const (
	charge  extra = iota // (n) -> n: pays for n elements of a table, or bytes of a data segment
	grow                 // memory.grow
	fill                 // memory.fill
	copying              // memory.copy
)

// Parameters of fill (where second is the byte) and copying, and the local after them.
const (
	to, second, length, left = 0, 1, 2, 3
)

func (e extra) funcType() module.FuncType {
	one := []module.ValueType{module.I32}
	if e == charge || e == grow {
		return module.FuncType{Params: one, Results: one}
	}
	return module.FuncType{Params: []module.ValueType{module.I32, module.I32, module.I32}}
}

// extra returns the function's index; it is there from its first use on.
func (w *rewriter) extra(e extra) uint32 {
	i := 0
	for i < len(w.extras) && w.extras[i] != e {
		i++
	}
	if i == len(w.extras) {
		w.extras = append(w.extras, e)
	}
	return w.tick + 1 + uint32(len(w.m.Funcs)+i)
}

func (w *rewriter) extraBody(e extra) []byte {
	out := code{1, 1, byte(module.I64)} // one local, after the parameters
	switch e {
	case charge:
		w.payBy(&out, 0, 3, 1)
		out.at(module.OpLocalGet, 0)
	case grow: // a slice, for a tick before the next one: the host may have to copy the memory
		out.at(module.OpGlobalGet, w.fuel)
		out.i64(w.o.Slice)
		w.take(&out, 1)
		out.at(module.OpLocalGet, 0)
		out.memory(module.OpMemoryGrow, 1)
	default:
		w.inChunks(&out, e)
	}
	out.op(module.OpEnd)
	return out
}

// payBy takes fuel for what a local says, divided by 2^shift.
func (w *rewriter) payBy(out *code, local uint32, shift int32, left uint32) {
	out.at(module.OpGlobalGet, w.fuel)
	out.at(module.OpLocalGet, local)
	out.i32(shift)
	out.op(opI32ShrU, opExtend)
	w.take(out, left)
}

// inChunks does chunks until at most one is left, and then that. A range that ends
// outside the memory must trap before anything is written: an operation of no bytes at
// its end does, and one whose end is no address is done as it is.
func (w *rewriter) inChunks(out *code, e extra) {
	rest := func() { out.at(module.OpLocalGet, length) }
	out.at(module.OpLocalGet, length)
	out.i32(chunk)
	out.op(opI32GtU, module.OpIf, noResult)

	wraps(out, to)
	if e == copying {
		wraps(out, second)
		out.op(opI32Or)
	}
	out.op(module.OpIf, noResult)
	e.operation(out, start, rest)
	out.op(module.OpReturn, module.OpEnd)
	e.operation(out, end, func() { out.i32(0) })

	if e == copying {
		// Ranges may overlap: what is read later must not be written before.
		out.at(module.OpLocalGet, to)
		out.at(module.OpLocalGet, second)
		out.op(opI32GtU, module.OpIf, noResult)
		w.chunks(out, e, false)
		out.op(opElse)
		w.chunks(out, e, true)
		out.op(module.OpEnd)
	} else {
		w.chunks(out, e, true)
	}
	out.op(module.OpEnd)
	w.payBy(out, length, 6, left)
	e.operation(out, start, rest)
}

// chunks does chunks from the start of the range forward, or from its end back.
func (w *rewriter) chunks(out *code, e extra, forward bool) {
	size := func() { out.i32(chunk) }
	out.op(module.OpLoop, noResult)
	out.at(module.OpGlobalGet, w.fuel)
	out.i64(chunk / 64)
	w.take(out, left)
	move(out, length, opI32Sub)
	if forward {
		e.operation(out, start, size)
		move(out, to, opI32Add)
		if e == copying {
			move(out, second, opI32Add)
		}
	} else {
		e.operation(out, end, size)
	}
	out.at(module.OpLocalGet, length)
	out.i32(chunk)
	out.op(opI32GtU)
	out.at(module.OpBrIf, 0)
	out.op(module.OpEnd)
}

// operation appends the fill or copy, at addresses that the function puts on the stack.
func (e extra) operation(out *code, address func(*code, uint32), size func()) {
	address(out, to)
	if e == fill {
		out.at(module.OpLocalGet, second)
		size()
		out.memory(module.OpMemoryFill, 1)
		return
	}
	address(out, second)
	size()
	out.memory(module.OpMemoryCopy, 2)
}

// start and end put where the range that begins at a local begins, or ends, on the stack.
func start(out *code, local uint32) { out.at(module.OpLocalGet, local) }

func end(out *code, local uint32) {
	out.at(module.OpLocalGet, local)
	out.at(module.OpLocalGet, length)
	out.op(opI32Add)
}

// wraps says whether the end of a range is no address.
func wraps(out *code, local uint32) {
	end(out, local)
	out.at(module.OpLocalGet, length)
	out.op(opI32LtU)
}

// move adds a chunk to a local, or subtracts it.
func move(out *code, local uint32, op module.Op) {
	out.at(module.OpLocalGet, local)
	out.i32(chunk)
	out.op(op)
	out.at(module.OpLocalSet, local)
}
