package module

// Figures are what the gate looks at, for who wants to see how close a module comes.
// Those of functions are the greatest of any one.
type Figures struct {
	Size, Functions, Imports, Exports                             int
	Body, Blocks, Variables, Product, Nest, Branches, Loops       int
	Instructions, DataBytes, MemoryPages, TableElements, Segments int
}

// Figures returns the module's; Instructions and Loops are those of all functions.
func (m *Module) Figures() Figures {
	f := Figures{
		Size: m.Size, Functions: len(m.Funcs), Imports: len(m.Imports), Exports: len(m.Exports),
		DataBytes: m.DataBytes, Segments: m.Segments,
	}
	for _, l := range m.Memories {
		f.MemoryPages += int(l.Min)
	}
	for _, t := range m.Tables {
		f.TableElements += int(t.Min)
	}
	for _, b := range m.Bodies {
		s := b.Shape
		f.Body = max(f.Body, s.Size)
		f.Blocks = max(f.Blocks, s.Blocks)
		f.Variables = max(f.Variables, s.Variables)
		f.Product = max(f.Product, s.Variables*s.Blocks)
		f.Nest = max(f.Nest, s.Nest)
		f.Branches = max(f.Branches, s.Branches)
		f.Loops += s.Loops
		f.Instructions += s.Instructions
	}
	return f
}
