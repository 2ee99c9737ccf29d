// Package assemble writes WebAssembly modules from Go: the guests of tests and of
// the conformance kit, among them such as no compiler would make. It checks nothing:
// what it is told to write is written, wrong as it may be.
package assemble

import (
	"slices"
	"strings"
)

// Module is one being written. Types are spelled with a letter per value: i for
// i32, I for i64, F for f64. Imports go before functions.
type Module struct {
	types, imports, funcs, tables, memories, globals, exports, elems, codes, data [][]byte

	functions uint32 // imported or not
	start     []byte
	customs   []section
	names     []string // of types
}

type section struct {
	name string
	data []byte
}

// Import adds a function that is imported, and returns its number.
func (m *Module) Import(module, name, params, results string) uint32 {
	m.imports = append(m.imports, slices.Concat(text(module), text(name), []byte{0}, uleb(uint64(m.typeOf(params, results)))))
	m.functions++
	return m.functions - 1
}

// Func adds a function, and returns its number; export "": it is not exported. Its
// locals follow its parameters; the last end of its code is added.
func (m *Module) Func(export, params, results, locals string, code Code) uint32 {
	m.funcs = append(m.funcs, uleb(uint64(m.typeOf(params, results))))
	body := uleb(uint64(len(locals)))
	for _, t := range locals {
		body = append(body, 1, valueType(t))
	}
	body = append(append(body, code...), End...)
	m.codes = append(m.codes, sized(body))
	m.functions++
	if export != "" {
		m.Export(export, 0, m.functions-1)
	}
	return m.functions - 1
}

// Export names a function (kind 0), table (1), memory (2) or global (3).
func (m *Module) Export(name string, kind byte, index uint32) {
	m.exports = append(m.exports, slices.Concat(text(name), []byte{kind}, uleb(uint64(index))))
}

// Memory adds a memory of so many pages; most below 0: without a limit.
func (m *Module) Memory(least, most int) {
	m.memories = append(m.memories, limits(least, most))
}

// Table adds a table of functions; most below 0: without a limit.
func (m *Module) Table(least, most int, functions ...uint32) {
	m.tables = append(m.tables, append([]byte{0x70}, limits(least, most)...))
	if len(functions) == 0 {
		return
	}
	e := slices.Concat([]byte{0}, []byte(I32(0)+End), uleb(uint64(len(functions))))
	for _, f := range functions {
		e = append(e, uleb(uint64(f))...)
	}
	m.elems = append(m.elems, e)
}

// AddGlobal adds a mutable global of a type and returns its number.
func (m *Module) AddGlobal(kind rune, init Code) int {
	m.globals = append(m.globals, slices.Concat([]byte{valueType(kind), 1}, []byte(init+End)))
	return len(m.globals) - 1
}

// Data puts bytes into memory before anything runs.
func (m *Module) Data(at int, b []byte) {
	m.data = append(m.data, slices.Concat([]byte{0}, []byte(I32(int64(at))+End), uleb(uint64(len(b))), b))
}

// Start names the function that is run when the module is instantiated.
func (m *Module) Start(f uint32) { m.start = uleb(uint64(f)) }

// Custom adds a custom section behind everything.
func (m *Module) Custom(name string, data []byte) {
	m.customs = append(m.customs, section{name, data})
}

// Bytes returns the module.
func (m *Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id    byte
		items [][]byte
	}{{1, m.types}, {2, m.imports}, {3, m.funcs}, {4, m.tables}, {5, m.memories}, {6, m.globals}, {7, m.exports}} {
		out = append(out, vector(s.id, s.items)...)
	}
	if m.start != nil {
		out = append(append(out, 8), sized(m.start)...)
	}
	for _, s := range []struct {
		id    byte
		items [][]byte
	}{{9, m.elems}, {10, m.codes}, {11, m.data}} {
		out = append(out, vector(s.id, s.items)...)
	}
	for _, c := range m.customs {
		out = append(append(out, 0), sized(append(text(c.name), c.data...))...)
	}
	return out
}

// typeOf returns the number of a function type, entering it when it is new.
func (m *Module) typeOf(params, results string) uint32 {
	name := params + ">" + results
	if i := slices.Index(m.names, name); i >= 0 {
		return uint32(i)
	}
	t := []byte{0x60}
	for _, list := range strings.Split(name, ">") {
		t = append(t, uleb(uint64(len(list)))...)
		for _, c := range list {
			t = append(t, valueType(c))
		}
	}
	m.names, m.types = append(m.names, name), append(m.types, t)
	return uint32(len(m.types) - 1)
}

func valueType(c rune) byte {
	return map[rune]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c}[c]
}

func limits(least, most int) []byte {
	if most < 0 {
		return append([]byte{0}, uleb(uint64(least))...)
	}
	return slices.Concat([]byte{1}, uleb(uint64(least)), uleb(uint64(most)))
}

func vector(id byte, items [][]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	return append([]byte{id}, sized(append(uleb(uint64(len(items))), slices.Concat(items...)...))...)
}

func sized(b []byte) []byte { return append(uleb(uint64(len(b))), b...) }

func text(s string) []byte { return sized([]byte(s)) }
