package module

import (
	"slices"
	"testing"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

func imports(is ...[]byte) []byte { return sect(SectionImport, vec(is...)) }

func imported(module, name string, t int) []byte {
	return cat(str(module), str(name), []byte{byte(Function)}, leb(t))
}

// importing is a plugin with imports before its functions, its exports moved on.
func importing(ts []byte, is ...[]byte) []byte {
	n := len(is)
	return plugin(map[byte][]byte{
		SectionType: ts, SectionImport: imports(is...),
		SectionExport: exports(export(abi.Memory, MemoryKind, 0), export(abi.Version, Function, n),
			export(abi.Alloc, Function, n+1), export(abi.Init, Function, n+2), export(abi.Transform, Function, n+3)),
	})
}

var pluginTypes = types(":i", "i:i", "ii:i", "ii:I", ":", "iii:", "iI:")

// coded is a plugin whose first function is another.
func coded(b []byte, more map[byte][]byte) []byte {
	parts := map[byte][]byte{SectionCode: code(b, body(none, 0x41, 8), body(none, 0x41, 0), body(none, 0x42, 0))}
	for id, p := range more {
		parts[id] = p
	}
	return plugin(parts)
}

// repeat is some code n times, then a constant for the result.
func repeat(n int, ops ...byte) []byte {
	return append(slices.Repeat(ops, n), 0x41, 0)
}

func nested(n int) []byte {
	return append(append(slices.Repeat([]byte{0x02, 0x40}, n), slices.Repeat([]byte{0x0b}, n)...), 0x41, 0)
}

func locals(n int) []byte { return cat([]byte{1}, leb(n), []byte{0x7f}) }

func TestGateLetsIn(t *testing.T) {
	table := func(flags ...byte) map[byte][]byte {
		return map[byte][]byte{SectionTable: sect(SectionTable, cat([]byte{1, 0x70}, flags))}
	}
	for name, b := range map[string][]byte{
		"the least":       plugin(nil),
		"host functions":  importing(pluginTypes, imported(abi.Module, abi.Log, 5), imported(abi.Module, abi.Count, 6)),
		"WASI":            importing(pluginTypes, imported(wasi, "sched_yield", 0), imported(wasi, "random_get", 2)),
		"same name twice": importing(pluginTypes, imported(wasi, "sched_yield", 0), imported(wasi, "sched_yield", 0)),
		"SIMD":            coded(body(none, 0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd, 0x80, 0x01, 0x1a, 0x41, 0), nil),
		"most blocks":     coded(body(none, repeat(MaxBlocks, 0x02, 0x40, 0x0b)...), nil),
		"deepest blocks":  coded(body(none, nested(MaxNest)...), nil),
		"most variables":  coded(body(locals(MaxVariables), repeat(1)...), nil),
		"a table grown":   coded(body(none, 0xd0, 0x70, 0x41, 1, 0xfc, 0x0f, 0), table(1, 1, 0xff, 0xff, 3)),
	} {
		m, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := m.Gate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGateRefuses(t *testing.T) {
	exporting := func(es ...[]byte) []byte {
		return plugin(map[byte][]byte{SectionExport: exports(es...)})
	}
	all := [][]byte{export(abi.Memory, MemoryKind, 0), export(abi.Version, Function, 0), export(abi.Alloc, Function, 1),
		export(abi.Init, Function, 2), export(abi.Transform, Function, 3)}
	with := func(e []byte) []byte { return exporting(append(slices.Clone(all), e)...) }
	without := func(i int) []byte { return exporting(slices.Delete(slices.Clone(all), i, i+1)...) }
	table := func(flags ...byte) []byte { return sect(SectionTable, cat([]byte{1, 0x70}, flags)) }
	grows := []byte{0xd0, 0x70, 0x41, 1, 0xfc, 0x0f, 0}
	branches := cat([]byte{0x41, 0, 0x0e}, leb(MaxBranches), make([]byte, MaxBranches+1), []byte{0x41, 0})

	tests := map[string]struct {
		b     []byte
		code  abi.Code
		words string
	}{
		"a file":              {importing(pluginTypes, imported(wasi, "path_open", 0)), abi.Gate, "no files, sockets"},
		"another module":      {importing(pluginTypes, imported("env", "now", 0)), abi.Gate, "env.now, which no plugin is given"},
		"another host's":      {importing(pluginTypes, imported(abi.Module, "lookup", 0)), abi.Gate, "sluice.lookup"},
		"the tick":            {importing(pluginTypes, imported(MeterModule, "tick", 0)), abi.Gate, "adds itself"},
		"other type":          {importing(pluginTypes, imported(abi.Module, abi.Log, 4)), abi.Gate, "as () -> (), it is (i32, i32, i32) -> ()"},
		"a memory":            {plugin(map[byte][]byte{SectionMemory: nil, SectionImport: imports(cat(str("env"), str("memory"), []byte{2, 0, 1}))}), abi.Gate, "imports the memory env.memory"},
		"reserved export":     {with(export("__sluice_fuel", Function, 0)), abi.Gate, "__sluice_fuel"},
		"no memory":           {without(0), abi.BadModule, "export its memory"},
		"memory is no memory": {exporting(append([][]byte{export(abi.Memory, Function, 0)}, all[1:]...)...), abi.BadModule, "export its memory"},
		"no version":          {without(1), abi.BadModule, "sluice_abi_1"},
		"another major":       {exporting(append(slices.Delete(slices.Clone(all), 1, 2), export("sluice_abi_2", Function, 0))...), abi.BadModule, "sluice_abi_2"},
		"no transform":        {without(4), abi.BadModule, "sluice_transform"},
		"type of an export":   {with(export(abi.Close, Function, 0)), abi.BadModule, "sluice_close as () -> i32, it must be () -> ()"},
		"start of other type": {with(export(abi.Start, Function, 1)), abi.BadModule, "_initialize"},
		"close is a memory":   {with(export(abi.Close, MemoryKind, 0)), abi.BadModule, "sluice_close"},
		"blocks":              {coded(body(none, repeat(MaxBlocks+1, 0x02, 0x40, 0x0b)...), nil), abi.Gate, "4097 blocks"},
		"nest":                {coded(body(none, nested(MaxNest+1)...), nil), abi.Gate, "1025 blocks in blocks"},
		"variables":           {coded(body(locals(MaxVariables+1), repeat(1)...), nil), abi.Gate, "513 parameters and locals"},
		"product":             {coded(body(locals(500), repeat(401, 0x02, 0x40, 0x0b)...), nil), abi.Gate, "variables × blocks"},
		"body":                {coded(body(none, repeat(MaxBody, 0x01)...), nil), abi.Gate, "bytes, the most is 262144"},
		"branches":            {coded(body(none, branches...), nil), abi.Gate, "8193 entries"},
		"two tables":          {coded(body(none, repeat(1)...), map[byte][]byte{SectionTable: sect(SectionTable, []byte{2, 0x70, 0, 1, 0x70, 0, 1})}), abi.Gate, "2 tables"},
		"large table":         {plugin(map[byte][]byte{SectionTable: table(0, 0x81, 0x80, 4)}), abi.Gate, "65537 elements"},
		"table without end":   {coded(body(none, grows...), map[byte][]byte{SectionTable: table(0, 1)}), abi.Gate, "grows a table"},
		"data":                {plugin(map[byte][]byte{SectionData: sect(SectionData, cat([]byte{1, 1}, leb(MaxDataBytes+1), make([]byte, MaxDataBytes+1)))}), abi.Gate, "8388609 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := Parse(tt.b)
			if err != nil {
				t.Fatal(err)
			}
			wants(t, m.Gate(), tt.code, StepGate, tt.words)
		})
	}
}

// What may be imported is a copy: who changes it changes nothing here.
func TestAllowed(t *testing.T) {
	a := Allowed()
	if len(a) != 19 {
		t.Errorf("%d functions may be imported, want 19", len(a))
	}
	a[0].Name = "other"
	if Allowed()[0].Name != abi.Log {
		t.Error("the list was changed from outside")
	}
}
