package verify

import (
	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	as "github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// forever runs a body without end.
func forever(body as.Code) as.Code { return as.Loop + body + as.Br(0) + as.End }

// times runs a body n times, counting in local 4.
func times(n int64, body as.Code) as.Code {
	return as.I32(n) + as.Set(4) + as.Loop + body + as.Get(4) + as.I32(1) + as.I32Sub + as.Tee(4) + as.BrIf(0) + as.End
}

// runCases go wrong while they run.
func runCases() []Case {
	plain := func(name, about string, code abi.Code, bad as.Code) Case {
		return Case{Name: "run/" + name, About: about, Step: plugins.StepTransform, Code: code,
			module: func() []byte { return guest(as.All(), bad, nil).Bytes() }}
	}
	imported := func(name, about string, code abi.Code, module, function, params, results string, bad func(f uint32) as.Code) Case {
		return Case{Name: "run/" + name, About: about, Step: plugins.StepTransform, Code: code, module: func() []byte {
			f := uint32(0) // the only import
			return guest(as.All(), bad(f), func(m *as.Module) { m.Import(module, function, params, results) }).Bytes()
		}}
	}
	const wasi = "wasi_snapshot_preview1"
	fill := as.I32(as.RoomAt) + as.I32(0) + as.I32(1<<20) + as.MemoryFill
	copied := as.I32(as.RoomAt) + as.I32(as.RoomAt+8) + as.I32(1<<20) + as.MemoryCopy
	grow := as.Loop + as.I32(29) + as.MemoryGrow + as.I32(-1) + as.I32Ne + as.BrIf(0) + as.End
	grown := plain("grow-to-limit", "takes all memory that it can get, and goes on", 0, grow)
	grown.replaced = true
	list := []Case{
		grown,
		plain("loop", "loops without end", abi.Deadline, forever("")),
		plain("br-table", "spins through a branch table", abi.Deadline, as.Loop+as.I32(1)+as.BrTable(1, 0)+as.End),
		plain("memory-fill", "fills memory over and over", abi.Deadline, forever(fill)),
		plain("memory-copy", "copies memory over and over", abi.Deadline, forever(copied)),
		plain("unreachable", "stops", abi.Trap, as.Unreachable),
		plain("divide-by-zero", "divides by zero", abi.Trap, as.I32(1)+as.I32(0)+as.I32DivS+as.Drop),
		plain("out-of-bounds", "reads past the end of memory", abi.Trap, as.I32(-1)+as.I32Load(0)+as.Drop),
		plain("out-of-memory", "takes all memory that it can get, and stops", abi.OutOfMemory,
			grow+as.Unreachable),
		plain("refuse-batch", "answers that the batch failed", abi.BatchFailed, as.I64(int64(abi.BatchFailed))+as.Return),
		plain("refuse-internal", "answers that it found a fault of its own", abi.Internal, as.I64(int64(abi.Internal))+as.Return),
		plain("refuse-unknown", "answers with a code that there is not", abi.BadOutput, as.I64(77)+as.Return),
		plain("refuse-no-record", "answers that records failed, and flags none", abi.BadOutput, as.I64(int64(abi.RecordFailed))+as.Return),
		imported("log-spam", "logs without end", abi.Deadline, abi.Module, abi.Log, "iii", "",
			func(f uint32) as.Code { return forever(as.I32(1) + as.I32(0) + as.I32(100) + as.Call(f)) }),
		imported("log-outside", "logs a text that lies outside of its memory", abi.BadOutput, abi.Module, abi.Log, "iii", "",
			func(f uint32) as.Code { return times(2000, as.I32(1)+as.I32(-1)+as.I32(100)+as.Call(f)) }),
		imported("fail-spam", "gives ten thousand reasons and goes on", 0, abi.Module, abi.Fail, "iiii", "",
			func(f uint32) as.Code {
				return times(10_000, as.I32(3)+as.Get(4)+as.I32(0)+as.I32(5)+as.Call(f))
			}),
		imported("count-outside", "adds to a counter that its manifest does not list", 0, abi.Module, abi.Count, "iI", "",
			func(f uint32) as.Code { return as.I32(-1) + as.I64(1) + as.Call(f) }),
		imported("exit", "ends itself with exit code 3", abi.Exit, wasi, "proc_exit", "i", "", func(f uint32) as.Code { return as.I32(3) + as.Call(f) }),
		imported("exit-0", "ends itself as if all were well", abi.Exit, wasi, "proc_exit", "i", "", func(f uint32) as.Code { return as.I32(0) + as.Call(f) }),
		imported("abort", "aborts as AssemblyScript does", abi.Trap, "env", "abort", "iiii", "",
			func(f uint32) as.Code { return as.I32(0) + as.I32(0) + as.I32(1) + as.I32(2) + as.Call(f) }),
		imported("sleep", "sleeps for an hour, which takes no time", 0, wasi, "poll_oneoff", "iiii", "i", func(f uint32) as.Code {
			return as.I32(2048+24) + as.I64(3600e9) + as.I64Store(0) + as.I32(2048) + as.I32(2048+48) + as.I32(1) + as.I32(2048+80) + as.Call(f) + as.Drop
		}),
		imported("random-outside", "wants randomness where it has no memory", 0, wasi, "random_get", "ii", "i",
			func(f uint32) as.Code { return as.I32(-8) + as.I32(64) + as.Call(f) + as.Drop }),
		imported("print-spam", "prints without end", abi.Deadline, wasi, "fd_write", "iiii", "i", func(f uint32) as.Code {
			return as.I32(2048) + as.I32(0) + as.I32Store(0) + as.I32(2048) + as.I32(1<<20) + as.I32Store(4) +
				forever(as.I32(2)+as.I32(2048)+as.I32(1)+as.I32(2056)+as.Call(f)+as.Drop)
		}),
		imported("read-file", "asks for a file", 0, wasi, "fd_prestat_get", "ii", "i",
			func(f uint32) as.Code { return as.I32(3) + as.I32(2048) + as.Call(f) + as.Drop }),
	}
	return append(append(list, deepCases()...), namesCase())
}

// namesCase has a section for debuggers that is none.
func namesCase() Case {
	return Case{Name: "run/names", About: "says in its section of names what is not so", Step: plugins.StepTransform,
		module: setup(func(m *as.Module) { m.Custom("name", []byte("\x01\xff\xff\xff\xff\x0f\x01\xfe\x7f")) })}
}

// deepCases call and call.
func deepCases() []Case {
	calls := func(name, about string, code abi.Code, bad uint32, setup func(m *as.Module)) Case {
		return Case{Name: "run/" + name, About: about, Step: plugins.StepTransform, Code: code,
			module: func() []byte { return guest(as.All(), as.Call(bad), setup).Bytes() }}
	}
	return []Case{
		calls("call-bomb", "calls 2^28 functions without a loop", abi.Deadline, 28, func(m *as.Module) {
			m.Func("", "", "", "", "")
			for f := range uint32(28) {
				m.Func("", "", "", "", as.Call(f)+as.Call(f))
			}
		}),
		calls("recursion", "calls itself without end", abi.Depth, 0, func(m *as.Module) { m.Func("", "", "", "", as.Call(0)) }),
		calls("recursion-with-locals", "calls itself without end, with a large frame", abi.Depth, 0, func(m *as.Module) {
			use := as.Code("")
			for l := range 100 {
				use += as.Get(l) + as.I64(1) + as.I64Add + as.Set(l)
			}
			m.Func("", "", "", letters('I', 100), use+as.Call(0)+use)
		}),
		calls("mutual-recursion", "calls another function that calls it, by a table", abi.Depth, 0, func(m *as.Module) {
			m.Func("", "", "", "", as.I32(1)+as.CallIndirect("", "", m))
			m.Func("", "", "", "", as.I32(0)+as.CallIndirect("", "", m))
			m.Table(2, 2, 0, 1)
		}),
		calls("wrong-indirect-call", "calls a function that its table does not hold", abi.Trap, 0, func(m *as.Module) {
			m.Func("", "", "", "", as.I32(5)+as.CallIndirect("", "", m))
			m.Table(2, 2)
		}),
		calls("table-grow", "grows a table beyond its limit, and goes on", 0, 0, func(m *as.Module) {
			m.Func("", "", "", "", as.NullFunc+as.I32(200_000_000)+as.TableGrow+as.Drop)
			m.Table(2, 1000)
		}),
	}
}

func letters(l rune, n int) string {
	out := make([]rune, n)
	for i := range out {
		out[i] = l
	}
	return string(out)
}
