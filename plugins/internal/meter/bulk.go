package meter

import "github.com/sluice-metrics/sluice/plugins/internal/module"

// chunk is how many bytes are filled or copied at once: between two of them the guest
// can be stopped. A large operation is otherwise one instruction of milliseconds.
const chunk = 128 << 10

// growth is the fuel that growing the memory costs: the host may have to copy it.
const growth = 1_000

// helper is a function that a rewritten module has in addition.
type helper int

const (
	charge  helper = iota // (n) -> n: pays for n elements, or bytes of a data segment
	fill                  // memory.fill
	copying               // memory.copy
	grow                  // memory.grow
)

var (
	i32  = []module.ValueType{module.I32}
	i32s = []module.ValueType{module.I32, module.I32, module.I32}
)

func (h helper) funcType() module.FuncType {
	if h == charge || h == grow {
		return module.FuncType{Params: i32, Results: i32}
	}
	return module.FuncType{Params: i32s}
}

// helper returns the function's index; it is there from its first use on.
func (w *rewriter) helper(h helper) uint32 {
	for i, there := range w.helpers {
		if there == h {
			return w.helperAt(i)
		}
	}
	w.helpers = append(w.helpers, h)
	return w.helperAt(len(w.helpers) - 1)
}

func (w *rewriter) helperAt(i int) uint32 {
	return w.tick + 1 + uint32(len(w.m.Funcs)+i)
}

func (w *rewriter) helperBody(h helper) []byte {
	out := code{1, 1, byte(module.I64)} // one local, after the parameters
	switch h {
	case charge:
		w.payFor(&out, 0, 3, 1)
		out.at(module.OpLocalGet, 0)
	case grow:
		out.at(module.OpGlobalGet, w.fuel)
		out.i64(growth)
		w.take(&out, 1)
		out.at(module.OpLocalGet, 0)
		out.memory(module.OpMemoryGrow, 1)
	case fill:
		w.inChunks(&out, h, func() { w.chunks(&out, h, true) })
	case copying:
		w.inChunks(&out, h, func() {
			// Ranges may overlap: what is read later must not be written before.
			out.at(module.OpLocalGet, to)
			out.at(module.OpLocalGet, from)
			out.op(opI32GtU, module.OpIf, noResult)
			w.chunks(&out, h, false)
			out.op(0x05) // else
			w.chunks(&out, h, true)
			out.op(module.OpEnd)
		})
	}
	out.op(module.OpEnd)
	return out
}

// Parameters of fill and copying, and the local after them.
const (
	to, from, length, left = 0, 1, 2, 3
)

// payFor takes the fuel for what the local n says, 2^-by of a unit each.
func (w *rewriter) payFor(out *code, n uint32, by int32, left uint32) {
	out.at(module.OpGlobalGet, w.fuel)
	out.at(module.OpLocalGet, n)
	out.i32(by)
	out.op(opI32ShrU, opExtend)
	w.take(out, left)
}

// inChunks does all but the last chunk by many, then the rest. A range that ends outside
// the memory must trap before anything is written: an operation of no bytes at its end
// does, and one whose end is no address is done as it is.
func (w *rewriter) inChunks(out *code, h helper, many func()) {
	out.at(module.OpLocalGet, length)
	out.i32(chunk)
	out.op(opI32GtU, module.OpIf, noResult)

	w.wraps(out, to)
	if h == copying {
		w.wraps(out, from)
		out.op(opI32Or)
	}
	out.op(module.OpIf, noResult)
	w.bulk(out, h, func() { out.at(module.OpLocalGet, to) }, func() { out.at(module.OpLocalGet, from) }, func() { out.at(module.OpLocalGet, length) })
	out.op(module.OpReturn, module.OpEnd)

	w.bulk(out, h, func() { w.end(out, to) }, func() { w.end(out, from) }, func() { out.i32(0) })
	many()
	out.op(module.OpEnd)

	w.payFor(out, length, 6, left)
	w.bulk(out, h, func() { out.at(module.OpLocalGet, to) }, func() { out.at(module.OpLocalGet, from) }, func() { out.at(module.OpLocalGet, length) })
}

// end puts the end of the range that begins at a local on the stack.
func (w *rewriter) end(out *code, start uint32) {
	out.at(module.OpLocalGet, start)
	out.at(module.OpLocalGet, length)
	out.op(opI32Add)
}

func (w *rewriter) wraps(out *code, start uint32) {
	w.end(out, start)
	out.at(module.OpLocalGet, length)
	out.op(opI32LtU)
}

// chunks does chunks until no more than one is left: from the start of the range
// forward, or from its end back.
func (w *rewriter) chunks(out *code, h helper, forward bool) {
	out.op(module.OpLoop, noResult)
	out.at(module.OpGlobalGet, w.fuel)
	out.i64(chunk / 64)
	w.take(out, left)
	size := func() { out.i32(chunk) }
	add := func(local uint32, op module.Op) {
		out.at(module.OpLocalGet, local)
		out.i32(chunk)
		out.op(op)
		out.at(module.OpLocalSet, local)
	}
	add(length, opI32Sub)
	if forward {
		w.bulk(out, h, func() { out.at(module.OpLocalGet, to) }, func() { out.at(module.OpLocalGet, from) }, size)
		add(to, opI32Add)
		if h == copying {
			add(from, opI32Add)
		}
	} else {
		w.bulk(out, h, func() { w.end(out, to) }, func() { w.end(out, from) }, size)
	}
	out.at(module.OpLocalGet, length)
	out.i32(chunk)
	out.op(opI32GtU)
	out.at(module.OpBrIf, 0)
	out.op(module.OpEnd)
}

// bulk appends the operation on what the three put on the stack. A fill takes its byte
// in place of the second.
func (w *rewriter) bulk(out *code, h helper, at, second, size func()) {
	at()
	if h == fill {
		out.at(module.OpLocalGet, from)
		size()
		out.memory(module.OpMemoryFill, 1)
		return
	}
	second()
	size()
	out.memory(module.OpMemoryCopy, 2)
}
