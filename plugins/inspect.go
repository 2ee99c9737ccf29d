package plugins

import (
	"errors"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// Info is what can be told about a module without running it.
type Info struct {
	Manifest abi.Manifest
	Digest   string // "sha256:" and 64 hexadecimal digits: the module's identity
	Size     int    // bytes
	Imports  []Symbol
	Exports  []Symbol
	Pages    int // of memory that it starts with, 64 KiB each
	Figures  []Figure
}

// Symbol is something that a module imports or exports.
type Symbol struct {
	Name string // of an import with its module: sluice.log
	Kind string // func, memory, table, global
	Type string // of a function, as (i32, i32) -> i64
}

// Figure is one size of a module and the most that it may be.
type Figure struct {
	Name        string
	Value, Most int
}

// Inspect reads a module without running it, and judges it. An error is an *Error;
// with a Step after the manifest's, Info is as far as it is known.
func Inspect(wasm []byte) (Info, error) {
	info, _, err := inspect(wasm)
	if err != nil {
		return info, err
	}
	return info, nil
}

func inspect(wasm []byte) (Info, *module.Module, *Error) {
	info := Info{Digest: digestOf(wasm), Size: len(wasm)}
	m, err := module.Parse(wasm)
	if err != nil {
		return info, nil, refusal(err)
	}
	info.describe(m)
	if info.Manifest, err = m.Manifest(); err != nil {
		return info, nil, refusal(err)
	}
	if err := m.Gate(); err != nil {
		return info, nil, refusal(err)
	}
	return info, m, nil
}

// refusal makes this package's error of module's.
func refusal(err error) *Error {
	var e *module.Error
	if !errors.As(err, &e) {
		return &Error{Code: abi.BadModule, Step: StepParse, Record: -1, Message: err.Error(), Err: err}
	}
	return &Error{Code: e.Code, Step: e.Step, Record: -1, Message: e.Message, Err: err}
}

func (i *Info) describe(m *module.Module) {
	for _, im := range m.Imports {
		s := Symbol{Name: im.Module + "." + im.Name, Kind: im.Kind.String()}
		if im.Kind == module.Function {
			s.Type = m.Types[im.Func].String()
		}
		i.Imports = append(i.Imports, s)
	}
	for _, e := range m.Exports {
		s := Symbol{Name: e.Name, Kind: e.Kind.String()}
		if e.Kind == module.Function {
			s.Type = m.TypeOf(e.Index).String()
		}
		i.Exports = append(i.Exports, s)
	}
	f := m.Figures()
	i.Pages = f.MemoryPages
	i.Figures = []Figure{
		{"bytes", f.Size, module.MaxSize},
		{"functions", f.Functions, module.MaxFunctions},
		{"bytes of a function", f.Body, module.MaxBody},
		{"blocks of a function", f.Blocks, module.MaxBlocks},
		{"variables of a function", f.Variables, module.MaxVariables},
		{"variables × blocks of a function", f.Product, module.MaxProduct},
		{"blocks in blocks", f.Nest, module.MaxNest},
		{"entries of branch tables of a function", f.Branches, module.MaxBranches},
		{"bytes of data", f.DataBytes, module.MaxDataBytes},
		{"elements of a table", f.TableElements, module.MaxElements},
	}
}
