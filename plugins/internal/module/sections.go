package module

func (m *Module) readTypes(r *reader) {
	r.vector("types", maxTypes, func() {
		start := r.at
		if form := r.byte(); r.err == nil && form != 0x60 {
			r.fail(malformed(start, "type form %#x is none of core 2.0", form))
		}
		m.Types = append(m.Types, FuncType{m.readValueTypes(r, "parameters"), m.readValueTypes(r, "results")})
	})
}

func (m *Module) readValueTypes(r *reader, what string) (out []ValueType) {
	r.vector(what, maxArity, func() { out = append(out, r.valueType()) })
	return out
}

func (m *Module) readImports(r *reader) {
	r.vector("imports", maxImports, func() {
		im := Import{Module: r.name(), Name: r.name()}
		start := r.at
		im.Kind = Kind(r.byte())
		switch im.Kind {
		case Function:
			im.Func = r.index("type", len(m.Types))
		case TableKind:
			im.Table = readTable(r)
		case MemoryKind:
			im.Memory = readMemory(r)
		case GlobalKind:
			im.Global = readGlobalType(r)
		case 4:
			r.fail(refused("it uses exceptions, which are not let in"))
		default:
			r.fail(malformed(start, "import kind %#x is none of core 2.0", byte(im.Kind)))
		}
		if r.err == nil {
			m.Imports = append(m.Imports, im)
			m.imported[im.Kind]++
		}
	})
}

func (m *Module) readFuncs(r *reader) {
	r.vector("functions", MaxFunctions, func() {
		m.Funcs = append(m.Funcs, r.index("type", len(m.Types)))
	})
}

func (m *Module) readTables(r *reader) {
	r.vector("tables", maxTables, func() { m.Tables = append(m.Tables, readTable(r)) })
}

func (m *Module) readMemories(r *reader) {
	r.vector("memories", 1, func() { m.Memories = append(m.Memories, readMemory(r)) })
}

func readTable(r *reader) Table {
	t := Table{Type: r.refType()}
	start := r.at
	flags := r.byte()
	if r.err == nil && flags > 1 {
		r.fail(malformed(start, "limits %#x of a table are none of core 2.0", flags))
	}
	t.Limits = readLimits(r, flags&1 != 0)
	return t
}

func readMemory(r *reader) Limits {
	start := r.at
	flags := r.byte()
	switch {
	case r.err != nil || flags <= 1:
	case flags <= 3:
		r.fail(refused("it uses threads (a shared memory), which are not let in"))
	case flags <= 7:
		r.fail(refused("it uses memory64, which is not let in"))
	default:
		r.fail(malformed(start, "limits %#x of a memory are none of core 2.0", flags))
	}
	return readLimits(r, flags&1 != 0)
}

func readLimits(r *reader, capped bool) Limits {
	l := Limits{Min: r.u32(), Capped: capped}
	if capped {
		l.Max = r.u32()
	}
	return l
}

func readGlobalType(r *reader) GlobalType {
	g := GlobalType{Type: r.valueType()}
	start := r.at
	mutable := r.byte()
	if r.err == nil && mutable > 1 {
		r.fail(malformed(start, "mutability %#x of a global is none of core 2.0", mutable))
	}
	g.Mutable = mutable == 1
	return g
}

func (m *Module) readGlobals(r *reader) {
	r.vector("globals", maxGlobals, func() {
		g := Global{GlobalType: readGlobalType(r)}
		g.Init = m.readConst(r)
		m.Globals = append(m.Globals, g)
	})
}

func (m *Module) readExports(r *reader) {
	seen := map[string]bool{}
	r.vector("exports", maxExports, func() {
		start := r.at
		e := Export{Name: r.name(), Kind: Kind(r.byte())}
		if r.err == nil && int(e.Kind) >= len(kinds) {
			r.fail(malformed(start, "export kind %#x is none of core 2.0", byte(e.Kind)))
			return
		}
		if seen[e.Name] {
			r.fail(malformed(start, "export %q is there twice", e.Name))
		}
		seen[e.Name] = true
		e.Index = r.index(e.Kind.String(), m.count(e.Kind))
		m.Exports = append(m.Exports, e)
	})
}

func (m *Module) readStart(r *reader) {
	i := r.index("func", m.count(Function))
	m.Start = &i
}

func (m *Module) readElems(r *reader) {
	r.vector("element segments", maxElems, func() {
		start := r.at
		e := Elem{Flags: r.u32()}
		if r.err == nil && e.Flags > 7 {
			r.fail(malformed(start, "flags %#x of an element segment are none of core 2.0", e.Flags))
		}
		if e.Flags&1 == 0 {
			if e.Flags&2 != 0 {
				e.Table = r.index("table", m.count(TableKind))
			}
			e.Offset = m.readConst(r)
		}
		if e.Flags&3 != 0 {
			e.Type = m.readElemType(r, e.Flags&4 != 0)
		}
		r.vector("elements of one segment", maxElements, func() {
			if e.Flags&4 == 0 {
				e.Funcs = append(e.Funcs, r.index("func", m.count(Function)))
			} else {
				e.Exprs = append(e.Exprs, m.readConst(r))
			}
		})
		m.Elems = append(m.Elems, e)
	})
}

func (m *Module) readElemType(r *reader, isType bool) byte {
	if isType {
		return byte(r.refType())
	}
	start := r.at
	kind := r.byte()
	if r.err == nil && kind != 0 {
		r.fail(malformed(start, "element kind %#x is none of core 2.0", kind))
	}
	return kind
}

func (m *Module) readDataCount(r *reader) {
	n := r.u32()
	m.DataCount = &n
}

func (m *Module) readData(r *reader) {
	m.Data = r.b[r.at:len(r.b):len(r.b)]
	r.vector("data segments", maxSegments, func() {
		start := r.at
		switch flags := r.u32(); flags {
		case 0:
			m.readConst(r)
		case 1:
		case 2:
			r.index("memory", m.count(MemoryKind))
			m.readConst(r)
		default:
			r.fail(malformed(start, "flags %#x of a data segment are none of core 2.0", flags))
		}
		m.DataBytes += len(r.take(r.u32()))
		m.Segments++
	})
}
