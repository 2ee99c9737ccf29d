package module

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Signature is a function that a module may import or must export.
type Signature struct {
	Module, Name string // no Module: an export
	FuncType
}

const wasi = "wasi_snapshot_preview1"

// MeterModule is where the tick of a metered module comes from; no module may import
// from it itself. ReservedPrefix begins the exports that a meter adds.
const (
	MeterModule    = "sluice_meter"
	ReservedPrefix = "__sluice_"
)

// Allowed returns what a module may import, each with the type that it must have:
// the functions of the interface, those of WASI that the runtime of a Go guest needs
// whatever it does, and the abort of AssemblyScript.
func Allowed() []Signature { return slices.Clone(allowed) }

var allowed = []Signature{
	{abi.Module, abi.Log, sig("iii", "")},
	{abi.Module, abi.Fail, sig("iiii", "")},
	{abi.Module, abi.Count, sig("iI", "")},
	{"env", "abort", sig("iiii", "")},
	{wasi, "args_get", sig("ii", "i")},
	{wasi, "args_sizes_get", sig("ii", "i")},
	{wasi, "clock_time_get", sig("iIi", "i")},
	{wasi, "environ_get", sig("ii", "i")},
	{wasi, "environ_sizes_get", sig("ii", "i")},
	{wasi, "fd_close", sig("i", "i")},
	{wasi, "fd_fdstat_get", sig("ii", "i")},
	{wasi, "fd_fdstat_set_flags", sig("ii", "i")},
	{wasi, "fd_prestat_dir_name", sig("iii", "i")},
	{wasi, "fd_prestat_get", sig("ii", "i")},
	{wasi, "fd_write", sig("iiii", "i")},
	{wasi, "poll_oneoff", sig("iiii", "i")},
	{wasi, "proc_exit", sig("i", "")},
	{wasi, "random_get", sig("ii", "i")},
	{wasi, "sched_yield", sig("", "i")},
}

// required and optional exports.
var (
	required = []Signature{
		{"", abi.Version, sig("", "i")},
		{"", abi.Alloc, sig("i", "i")},
		{"", abi.Init, sig("ii", "i")},
		{"", abi.Transform, sig("ii", "I")},
	}
	optional = []Signature{
		{"", abi.Start, sig("", "")},
		{"", abi.Close, sig("", "")},
	}
)

// sig spells a type: i is i32, I is i64.
func sig(params, results string) FuncType {
	types := func(s string) (out []ValueType) {
		for _, c := range s {
			out = append(out, map[rune]ValueType{'i': I32, 'I': I64}[c])
		}
		return out
	}
	return FuncType{types(params), types(results)}
}

// Gate says whether the module may be a plugin: what it imports and exports, and
// whether it can be compiled in a bounded time. An error is an *Error at StepGate:
// abi.BadModule for an export that is missing or wrong, else abi.Gate.
func (m *Module) Gate() error {
	for _, check := range []func(*Module) *Error{
		(*Module).gateImports, (*Module).gateExports, (*Module).gateMemory, (*Module).gateCode,
	} {
		if err := check(m); err != nil {
			return err
		}
	}
	return nil
}

func (m *Module) gateImports() *Error {
	for _, im := range m.Imports {
		name := im.Module + "." + im.Name
		if im.Kind != Function {
			return refused("it imports the %s %s: a plugin imports functions only", im.Kind, name)
		}
		i := slices.IndexFunc(allowed, func(s Signature) bool { return s.Module == im.Module && s.Name == im.Name })
		switch {
		case im.Module == MeterModule:
			return refused("it imports %s, which this program adds itself", name)
		case i < 0 && im.Module == wasi:
			return refused("it imports %s: a plugin has no files, sockets or processes (in Go, package os and text/template ask for them)", name)
		case i < 0:
			return refused("it imports %s, which no plugin is given", name)
		}
		if t := m.Types[im.Func]; !t.Equal(allowed[i].FuncType) {
			return refused("it imports %s as %s, it is %s", name, t, allowed[i].FuncType)
		}
	}
	return nil
}

func (m *Module) gateExports() *Error {
	exports := map[string]Export{}
	other := ""
	for _, e := range m.Exports {
		exports[e.Name] = e
		if strings.HasPrefix(e.Name, ReservedPrefix) {
			return refused("it exports %s: names that begin with %s are this program's", e.Name, ReservedPrefix)
		}
		if strings.HasPrefix(e.Name, versionPrefix) {
			other = e.Name
		}
	}
	if _, ok := exports[abi.Version]; !ok && other != "" {
		return missing("it is for another major of the interface (%s), this program serves %s", other, abi.Version)
	}
	if e, ok := exports[abi.Memory]; !ok || e.Kind != MemoryKind {
		return missing("it does not export its memory as %s", abi.Memory)
	}
	for _, s := range append(slices.Clone(required), optional...) {
		e, ok := exports[s.Name]
		if !ok && slices.ContainsFunc(optional, func(o Signature) bool { return o.Name == s.Name }) {
			continue
		}
		if !ok || e.Kind != Function {
			return missing("it does not export the function %s", s.Name)
		}
		if t := m.TypeOf(e.Index); !t.Equal(s.FuncType) {
			return missing("it exports %s as %s, it must be %s", s.Name, t, s.FuncType)
		}
	}
	return nil
}

const versionPrefix = "sluice_abi_"

func missing(format string, args ...any) *Error {
	return &Error{abi.BadModule, StepGate, fmt.Sprintf(format, args...)}
}

func (m *Module) gateMemory() *Error {
	switch {
	case m.DataBytes > MaxDataBytes:
		return refused("its data segments have %d bytes, the most is %d", m.DataBytes, MaxDataBytes)
	case len(m.Tables) > 1:
		return refused("it has %d tables, the most is 1", len(m.Tables))
	case len(m.Tables) == 1 && m.Tables[0].Min > MaxElements:
		return refused("its table has %d elements, the most is %d", m.Tables[0].Min, MaxElements)
	}
	return nil
}

func (m *Module) gateCode() *Error {
	for i, b := range m.Bodies {
		s := b.Shape
		for _, l := range []struct {
			what      string
			got, most int
		}{
			{"bytes", s.Size, MaxBody},
			{"blocks", s.Blocks, MaxBlocks},
			{"parameters and locals", s.Variables, MaxVariables},
			{"variables × blocks", s.Variables * s.Blocks, MaxProduct},
			{"blocks in blocks", s.Nest, MaxNest},
			{"entries of branch tables", s.Branches, MaxBranches},
		} {
			if l.got > l.most {
				return refused("function %d has %d %s, the most is %d: it would take too long to compile", m.imported[Function]+i, l.got, l.what, l.most)
			}
		}
		if t := m.Tables; s.TableGrow && len(t) == 1 && (!t[0].Capped || t[0].Max > MaxElements) {
			return refused("function %d grows a table that has no maximum of at most %d elements", m.imported[Function]+i, MaxElements)
		}
	}
	return nil
}
