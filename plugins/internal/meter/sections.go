package meter

import "github.com/sluice-metrics/sluice/plugins/internal/module"

// module writes the rewritten module: every section that has something in it, in order.
func (w *rewriter) module(bodies [][]byte) []byte {
	tick := w.typeOf(module.FuncType{Results: []module.ValueType{module.I64}})
	for _, e := range w.extras {
		w.typeOf(e.funcType())
	}
	out := make(code, 0, w.m.Size+w.m.Size/8+1024)
	out = append(out, module.Magic...)
	for _, s := range []struct {
		id   byte
		body code
	}{
		{module.SectionType, w.types()},
		{module.SectionImport, w.imports(tick)},
		{module.SectionFunction, w.functions()},
		{module.SectionTable, w.tables()},
		{module.SectionMemory, w.memories()},
		{module.SectionGlobal, w.globals()},
		{module.SectionExport, w.exports()},
		{module.SectionStart, w.start()},
		{module.SectionElem, w.elems()},
		{module.SectionDataCount, w.dataCount()},
		{module.SectionCode, w.code(bodies)},
		{module.SectionData, w.m.Data},
		{module.SectionCustom, w.names()},
	} {
		if len(s.body) > 0 {
			out = append(out, s.id)
			out.sized(s.body)
		}
	}
	return out
}

func (w *rewriter) types() (out code) {
	out.u32(uint32(len(w.m.Types) + len(w.added)))
	for _, t := range w.m.Types {
		out.funcType(t)
	}
	for _, t := range w.added {
		out.funcType(t)
	}
	return out
}

func (w *rewriter) imports(tick uint32) (out code) {
	out.u32(uint32(len(w.m.Imports) + 1))
	for _, im := range w.m.Imports {
		out.name(im.Module)
		out.name(im.Name)
		out = append(out, byte(im.Kind))
		switch im.Kind {
		case module.Function:
			out.u32(im.Func)
		case module.TableKind:
			out = append(out, byte(im.Table.Type))
			out.limits(im.Table.Limits)
		case module.MemoryKind:
			out.limits(im.Memory)
		case module.GlobalKind:
			out.global(im.Global)
		}
	}
	out.name(TickModule)
	out.name(Tick)
	out = append(out, byte(module.Function))
	out.u32(tick)
	return out
}

func (c *code) global(t module.GlobalType) {
	mutable := byte(0)
	if t.Mutable {
		mutable = 1
	}
	*c = append(*c, byte(t.Type), mutable)
}

func (w *rewriter) functions() (out code) {
	n := len(w.m.Funcs) + len(w.extras)
	if n == 0 {
		return nil
	}
	out.u32(uint32(n))
	for _, t := range w.m.Funcs {
		out.u32(t)
	}
	for _, e := range w.extras {
		out.u32(w.typeOf(e.funcType()))
	}
	return out
}

func (w *rewriter) tables() (out code) {
	if len(w.m.Tables) == 0 {
		return nil
	}
	out.u32(uint32(len(w.m.Tables)))
	for _, t := range w.m.Tables {
		out = append(out, byte(t.Type))
		out.limits(t.Limits)
	}
	return out
}

func (w *rewriter) memories() (out code) {
	if len(w.m.Memories) == 0 {
		return nil
	}
	out.u32(uint32(len(w.m.Memories)))
	for _, l := range w.m.Memories {
		out.limits(l)
	}
	return out
}

func (w *rewriter) globals() (out code) {
	out.u32(uint32(len(w.m.Globals) + 2))
	for _, g := range w.m.Globals {
		out.global(g.GlobalType)
		w.constant(&out, g.Init)
	}
	out.global(module.GlobalType{Type: module.I64, Mutable: true})
	out.i64(w.o.Slice)
	out.op(module.OpEnd)
	out.global(module.GlobalType{Type: module.I32, Mutable: true})
	out.i32(0)
	out.op(module.OpEnd)
	return out
}

func (w *rewriter) exports() (out code) {
	out.u32(uint32(len(w.m.Exports) + 2))
	for _, e := range w.m.Exports {
		index := e.Index
		if e.Kind == module.Function {
			index = w.shift(index)
		}
		out.export(e.Name, e.Kind, index)
	}
	out.export(Fuel, module.GlobalKind, w.fuel)
	out.export(DepthGlobal, module.GlobalKind, w.depth)
	return out
}

func (c *code) export(name string, k module.Kind, index uint32) {
	c.name(name)
	*c = append(*c, byte(k))
	c.u32(index)
}

func (w *rewriter) start() (out code) {
	if w.m.Start != nil {
		out.u32(w.shift(*w.m.Start))
	}
	return out
}

func (w *rewriter) elems() (out code) {
	if len(w.m.Elems) == 0 {
		return nil
	}
	out.u32(uint32(len(w.m.Elems)))
	for _, e := range w.m.Elems {
		w.elem(&out, e)
	}
	return out
}

func (w *rewriter) elem(out *code, e module.Elem) {
	out.u32(e.Flags)
	if e.Flags&1 == 0 {
		if e.Flags&2 != 0 {
			out.u32(e.Table)
		}
		w.constant(out, e.Offset)
	}
	if e.Flags&3 != 0 {
		*out = append(*out, e.Type)
	}
	if e.Flags&4 != 0 {
		out.u32(uint32(len(e.Exprs)))
		for _, x := range e.Exprs {
			w.constant(out, x)
		}
		return
	}
	out.u32(uint32(len(e.Funcs)))
	for _, f := range e.Funcs {
		out.u32(w.shift(f))
	}
}

func (w *rewriter) dataCount() (out code) {
	if w.m.DataCount != nil {
		out.u32(*w.m.DataCount)
	}
	return out
}

func (w *rewriter) code(bodies [][]byte) (out code) {
	if len(bodies)+len(w.extras) == 0 {
		return nil
	}
	out = make(code, 0, w.m.Size+w.m.Size/8)
	out.u32(uint32(len(bodies) + len(w.extras)))
	for _, b := range bodies {
		out.sized(b)
	}
	for _, e := range w.extras {
		out.sized(w.extraBody(e))
	}
	return out
}

// names keeps those of functions, for stack traces.
func (w *rewriter) names() (out code) {
	names := w.m.FunctionNames()
	if len(names) == 0 {
		return nil
	}
	var functions code
	functions.u32(uint32(len(names)))
	for _, n := range names {
		functions.u32(w.shift(n.Index))
		functions.name(n.Name)
	}
	out.name("name")
	out = append(out, 1) // function names
	out.sized(functions)
	return out
}
