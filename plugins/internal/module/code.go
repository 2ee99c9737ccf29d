package module

// Shape is what a function costs to compile, and what it does that a meter must know.
type Shape struct {
	Size         int // bytes of its body
	Instructions int
	Variables    int // parameters and locals
	Blocks       int
	Nest         int // blocks in blocks, at most
	Branches     int // entries of branch tables
	Calls        bool
	Loops        int
	TableGrow    bool
}

func (m *Module) readCode(r *reader) {
	next := 0
	r.vector("bodies", MaxFunctions, func() {
		if next >= len(m.Funcs) {
			r.fail(malformed(r.at, "there is code for more than the %d functions", len(m.Funcs)))
			return
		}
		size := r.u32()
		body := &reader{b: r.b, at: r.at}
		r.take(size)
		if r.err != nil {
			return
		}
		body.b = r.b[:r.at]
		b := m.readBody(body, len(m.Types[m.Funcs[next]].Params))
		b.Shape.Size = int(size)
		r.err = body.err
		m.Bodies = append(m.Bodies, b)
		next++
	})
}

func (m *Module) readBody(r *reader, params int) (b Body) {
	groupsAt := r.at
	b.Groups = r.u32()
	start := r.at
	locals := uint64(0)
	for i := uint32(0); i < b.Groups && r.err == nil; i++ {
		locals += uint64(r.u32())
		r.valueType()
		if locals > maxLocals {
			r.fail(refused("byte %d: a function has more than %d locals", groupsAt, maxLocals))
		}
	}
	if r.err != nil {
		return b
	}
	b.Locals = uint32(locals)
	b.Decl = r.b[start:r.at]
	b.Shape.Variables = params + int(locals)
	b.Code = r.b[r.at:]
	m.readInstructions(r, &b.Shape)
	return b
}

// readInstructions reads to the end of the function, which must be that of its body.
func (m *Module) readInstructions(r *reader, s *Shape) {
	in := bounds{
		types: len(m.Types), funcs: m.count(Function), tables: m.count(TableKind), memories: m.count(MemoryKind),
		globals: m.count(GlobalKind), locals: s.Variables, elems: len(m.Elems), labels: 1,
	}
	if m.DataCount != nil {
		in.datas = int(*m.DataCount)
	}
	for in.labels > 0 {
		i := readInstruction(r, &in)
		if r.err != nil {
			return
		}
		s.Instructions++
		switch i.Op {
		case OpBlock, OpLoop, OpIf:
			in.labels++
			s.Blocks++
			s.Nest = max(s.Nest, in.labels-1)
			if i.Op == OpLoop {
				s.Loops++
			}
		case OpEnd:
			in.labels--
		case OpBrTable:
			s.Branches += int(i.Count) + 1
		case OpCall, OpCallIndirect:
			s.Calls = true
		case OpTableGrow:
			s.TableGrow = true
		}
	}
	if r.at != len(r.b) {
		r.fail(malformed(r.at, "a function goes on after its end"))
	}
}

// readConst reads a constant expression of core 2.0: one instruction.
func (m *Module) readConst(r *reader) Const {
	start := r.at
	in := readInstruction(r, &bounds{funcs: m.count(Function), globals: m.count(GlobalKind)})
	switch in.Op {
	case OpI32Const, OpI64Const, OpF32Const, OpF64Const, OpV128Const, OpGlobalGet, OpRefNull, OpRefFunc:
	default:
		r.fail(malformed(start, "opcode %#x in a constant expression", in.Op))
	}
	if at := r.at; r.byte() != byte(OpEnd) && r.err == nil {
		r.fail(malformed(at, "a constant expression has more than one instruction"))
	}
	if r.err != nil {
		return Const{}
	}
	return Const{in.Op, in.Index, r.b[start:r.at]}
}
