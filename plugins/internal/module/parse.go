package module

import (
	"bytes"
	"slices"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Magic are the first bytes of a module: its magic number and version.
const Magic = "\x00asm\x01\x00\x00\x00"

// The sections, as they are encoded.
const (
	SectionCustom = iota
	SectionType
	SectionImport
	SectionFunction
	SectionTable
	SectionMemory
	SectionGlobal
	SectionExport
	SectionStart
	SectionElem
	SectionCode
	SectionData
	SectionDataCount
	SectionTag
)

// section is how one is read. They come in the order of the table sections, each
// at most once; custom sections stand anywhere.
type section struct {
	id   byte
	name string
	read func(*Module, *reader)
}

var sections = []section{
	{SectionType, "type", (*Module).readTypes},
	{SectionImport, "import", (*Module).readImports},
	{SectionFunction, "function", (*Module).readFuncs},
	{SectionTable, "table", (*Module).readTables},
	{SectionMemory, "memory", (*Module).readMemories},
	{SectionGlobal, "global", (*Module).readGlobals},
	{SectionExport, "export", (*Module).readExports},
	{SectionStart, "start", (*Module).readStart},
	{SectionElem, "element", (*Module).readElems},
	{SectionDataCount, "data count", (*Module).readDataCount},
	{SectionCode, "code", (*Module).readCode},
	{SectionData, "data", (*Module).readData},
}

// Parse reads a module of at most MaxSize bytes. It refers to b afterwards. An error
// is an *Error: abi.BadModule for what is not a module of core 2.0, abi.Gate for a
// proposal beyond it or when reading alone would cost too much.
func Parse(b []byte) (*Module, error) {
	if len(b) > MaxSize {
		return nil, refused("it has %d bytes, the most is %d", len(b), MaxSize)
	}
	if !bytes.HasPrefix(b, []byte(Magic)) {
		return nil, malformed(0, "no WebAssembly module of version 1 begins like this")
	}
	m := &Module{Size: len(b)}
	r := &reader{b: b, at: len(Magic)}
	next := 0 // place in sections from which one may follow
	for r.more() {
		start := r.at
		id := r.byte()
		size := r.u32()
		body := &reader{b: b, at: r.at}
		r.take(size)
		if r.err != nil {
			break
		}
		body.b = b[:r.at]
		if id == SectionCustom {
			m.readCustom(body)
		} else if err := m.readSection(body, start, id, &next); err != nil {
			return nil, err
		}
		if body.err != nil {
			return nil, body.err
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := m.complete(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Module) readSection(r *reader, start int, id byte, next *int) error {
	if id == SectionTag {
		return refused("it uses exceptions, which are not let in")
	}
	i := slices.IndexFunc(sections, func(s section) bool { return s.id == id })
	switch {
	case i < 0:
		return malformed(start, "section %d is none of core 2.0", id)
	case i < *next:
		return malformed(start, "section %s is there twice or out of order", sections[i].name)
	}
	*next = i + 1
	sections[i].read(m, r)
	if r.err != nil {
		r.err.Message = "section " + sections[i].name + ", " + r.err.Message
		return r.err
	}
	if r.at != len(r.b) {
		return malformed(r.at, "section %s goes on after its end", sections[i].name)
	}
	return nil
}

// complete checks what one section says of another that may be missing.
func (m *Module) complete() error {
	if len(m.Bodies) != len(m.Funcs) {
		return &Error{abi.BadModule, StepParse, "functions and their code differ in number"}
	}
	if m.DataCount != nil && int64(*m.DataCount) != int64(m.Segments) {
		return &Error{abi.BadModule, StepParse, "the data count is not the number of data segments"}
	}
	return nil
}

func (m *Module) readCustom(r *reader) {
	if len(m.Customs) >= maxCustoms {
		r.fail(refused("it has more than %d custom sections", maxCustoms))
	}
	name := r.name()
	if r.err == nil {
		m.Customs = append(m.Customs, Custom{name, r.b[r.at:len(r.b):len(r.b)]})
	}
}
