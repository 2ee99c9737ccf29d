package module

import "unicode/utf8"

// FunctionName is what the section name calls a function.
type FunctionName struct {
	Index uint32
	Name  string
}

// FunctionNames returns what the section name says, for stack traces: as much of it as
// is well-formed, nothing when it lies about indices.
func (m *Module) FunctionNames() []FunctionName {
	for _, c := range m.Customs {
		if c.Name != "name" {
			continue
		}
		r := &reader{b: c.Data}
		for r.more() {
			id := r.byte()
			names := &reader{b: r.take(r.u32())}
			if id == 1 {
				return m.readFunctionNames(names)
			}
		}
	}
	return nil
}

func (m *Module) readFunctionNames(r *reader) (out []FunctionName) {
	n := r.u32()
	for i := uint32(0); i < n; i++ {
		index := r.index("func", m.count(Function))
		name := r.take(r.u32())
		if r.err != nil || !utf8.Valid(name) || len(out) > 0 && index <= out[len(out)-1].Index {
			return nil
		}
		out = append(out, FunctionName{index, string(name)})
	}
	return out
}
