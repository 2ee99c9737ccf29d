package verify

import (
	"bytes"
	"strings"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// loadCases must not be let in, or go wrong while they are.
func loadCases() []Case {
	bytesOf := func(b []byte) func() []byte { return func() []byte { return b } }
	good := func() []byte { return guest(as.All(), "", nil).Bytes() }
	manifests := func(texts ...string) func() []byte {
		return func() []byte {
			m := guest(as.All(), "", nil).Module()
			for _, t := range texts {
				m.Custom(abi.ManifestSection, []byte(t))
			}
			return m.Bytes()
		}
	}
	small := refused("too-large", "the module has more bytes than it may", plugins.StepParse, abi.Gate, good)
	small.limits = plugins.Limits{Size: 100}
	list := []Case{
		small,
		refused("empty", "there is nothing", plugins.StepParse, abi.BadModule, bytesOf(nil)),
		refused("text", "it is no module", plugins.StepParse, abi.BadModule, bytesOf([]byte("#!/bin/sh\n"))),
		refused("truncated", "half of the module is missing", plugins.StepParse, abi.BadModule, func() []byte { b := good(); return b[:len(b)/2] }),
		refused("twice", "the module stands there twice", plugins.StepParse, abi.BadModule, func() []byte { return bytes.Repeat(good(), 2) }),
		refused("no-manifest", "there is no manifest", plugins.StepManifest, abi.BadManifest, manifests()),
		refused("two-manifests", "there are two manifests", plugins.StepManifest, abi.BadManifest, func() []byte {
			t := string(as.ManifestJSON(as.All()))
			return manifests(t, t)()
		}),
		refused("bad-manifest", "the manifest is not JSON", plugins.StepManifest, abi.BadManifest, manifests("{")),
		refused("huge-manifest", "the manifest has 65 KiB", plugins.StepManifest, abi.BadManifest, manifests(`{"name": "`+strings.Repeat("x", 65<<10)+`"}`)),
		refused("other-major", "it is for another major of the interface", plugins.StepManifest, abi.BadManifest,
			manifests(strings.Replace(string(as.ManifestJSON(as.All())), `"abi":"1.0"`, `"abi":"2.0"`, 1))),
	}
	return append(append(list, gateCases()...), startCases()...)
}

// gateCases are modules, and none that is let in.
func gateCases() []Case {
	return []Case{
		refused("file-import", "it imports a function that opens files", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) { m.Import("wasi_snapshot_preview1", "path_open", "iiiiiIIii", "i") })),
		refused("foreign-import", "it imports a function that there is not", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) { m.Import("env", "system", "i", "i") })),
		refused("import-type", "it imports a function with a wrong type", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) { m.Import(abi.Module, abi.Log, "i", "") })),
		refused("meter-import", "it imports what stops it, to do that itself", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) { m.Import("sluice_meter", "tick", "", "I") })),
		refused("meter-export", "it exports a name of what stops it", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) { m.Func("__sluice_fuel", "", "", "", "") })),
		refused("no-exports", "it exports nothing", plugins.StepGate, abi.BadModule, func() []byte {
			var m as.Module
			m.Custom(abi.ManifestSection, as.ManifestJSON(as.All()))
			return m.Bytes()
		}),
		refused("start-type", "it exports _initialize as something that answers", plugins.StepGate, abi.BadModule,
			setup(func(m *as.Module) { m.Func(abi.Start, "", "i", "", as.I32(1)) })),
		refused("two-memories", "it has two memories", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) { m.Memory(1, -1); m.Memory(1, -1) })),
		refused("large-memory", "it begins with more memory than it may have", plugins.StepCompile, abi.OutOfMemory,
			setup(func(m *as.Module) { m.Memory(2000, -1) })),
		refused("large-table", "it begins with a table of a million elements", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) { m.Table(1_000_000, -1) })),
		refused("growing-table", "it grows a table that has no limit", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) {
				m.Table(1, -1)
				m.Func("", "", "", "", as.NullFunc+as.I32(1)+as.TableGrow+as.Drop)
			})),
		refused("many-blocks", "a function of 30,000 blocks takes very long to compile", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) {
				m.Func("", "i", "", "", as.Code(strings.Repeat(string(as.Get(0)+as.If+as.End), 30_000)))
			})),
		refused("many-variables", "a function of 500 variables and 4,000 blocks takes very long to compile", plugins.StepGate, abi.Gate,
			setup(func(m *as.Module) {
				m.Func("", "i", "", letters('I', 500), as.Code(strings.Repeat(string(as.Get(0)+as.If+as.End), 4_000)))
			})),
		refused("ill-typed", "its code leaves a value that nobody wants", plugins.StepCompile, abi.BadModule,
			setup(func(m *as.Module) { m.Func("", "", "", "", as.I32(1)) })),
	}
}

func refused(name, about, step string, code abi.Code, module func() []byte) Case {
	return Case{Name: "load/" + name, About: about, Step: step, Code: code, atLoad: true, module: module}
}

// setup makes a good plugin with something more in it.
func setup(do func(m *as.Module)) func() []byte {
	return func() []byte { return guest(as.All(), "", do).Bytes() }
}

// startCases go wrong when they are started.
func startCases() []Case {
	started := func(name, about, step string, code abi.Code, change func(g *as.Guest)) Case {
		c := Case{Name: "load/" + name, About: about, Step: step, Code: code, atLoad: true, module: func() []byte {
			g := guest(as.All(), "", nil)
			change(&g)
			return g.Bytes()
		}}
		c.limits = plugins.Limits{Init: plugins.DefaultLimits().Batch}
		return c
	}
	return []Case{
		started("loop-in-start", "loops in its start function", plugins.StepInstantiate, abi.Deadline, func(g *as.Guest) {
			g.Setup = func(m *as.Module) { m.Start(m.Func("", "", "", "", forever(""))) }
		}),
		started("loop-in-initialize", "loops in _initialize", plugins.StepInstantiate, abi.Deadline, func(g *as.Guest) {
			g.Setup = func(m *as.Module) { m.Func(abi.Start, "", "", "", forever("")) }
		}),
		started("trap-in-start", "stops in its start function", plugins.StepInstantiate, abi.Trap, func(g *as.Guest) {
			g.Setup = func(m *as.Module) { m.Start(m.Func("", "", "", "", as.Unreachable)) }
		}),
		started("loop-in-init", "loops when it is given its config", plugins.StepInit, abi.Deadline, func(g *as.Guest) {
			g.Init = forever("") + as.I32(0)
		}),
		started("loop-in-alloc", "loops when it is asked for room", plugins.StepInit, abi.Deadline, func(g *as.Guest) {
			g.Alloc = forever("") + as.I32(as.RoomAt)
		}),
		started("config", "does not work with its config", plugins.StepInit, abi.BadConfig, func(g *as.Guest) {
			g.Init = as.I32(int64(abi.BadConfig))
		}),
		started("self-test", "fails with the first record that it is given", plugins.StepSelfTest, abi.Trap, func(g *as.Guest) {
			g.Transform = as.Unreachable
		}),
	}
}
