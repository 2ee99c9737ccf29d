package plugins

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/meter"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// hostFunc is what a guest calls; its parameters are on the stack, and its answer.
type hostFunc func(c *call, m api.Module, stack []uint64)

// hostFuncs are what guests can import, by module and name; what types they have
// is decided by the gate.
func hostFuncs() map[string]hostFunc {
	return map[string]hostFunc{
		abi.Module + "." + abi.Log:   hostLog,
		abi.Module + "." + abi.Fail:  hostFail,
		abi.Module + "." + abi.Count: hostCount,
		"env.abort":                  hostAbort,

		wasiModule + ".args_get":            wasiStrings((*Plugin).arguments),
		wasiModule + ".args_sizes_get":      wasiSizes((*Plugin).arguments),
		wasiModule + ".clock_time_get":      wasiClock,
		wasiModule + ".environ_get":         wasiStrings((*Plugin).environment),
		wasiModule + ".environ_sizes_get":   wasiSizes((*Plugin).environment),
		wasiModule + ".fd_close":            wasiRefuse(wasiBadFD),
		wasiModule + ".fd_fdstat_get":       wasiStat,
		wasiModule + ".fd_fdstat_set_flags": wasiRefuse(wasiNoSys),
		wasiModule + ".fd_prestat_dir_name": wasiRefuse(wasiBadFD),
		wasiModule + ".fd_prestat_get":      wasiRefuse(wasiBadFD),
		wasiModule + ".fd_write":            wasiWrite,
		wasiModule + ".poll_oneoff":         wasiPoll,
		wasiModule + ".proc_exit":           wasiExit,
		wasiModule + ".random_get":          wasiRandom,
		wasiModule + ".sched_yield":         wasiRefuse(wasiOK),
	}
}

func hostLog(c *call, m api.Module, s []uint64) {
	text := c.view(m, uint32(s[1]), uint32(s[2]))
	if c.guest.plugin.muted() {
		return
	}
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	c.guest.plugin.say(levels[min(uint32(s[0]), uint32(len(levels)-1))], legible(text))
}

func hostFail(c *call, m api.Module, s []uint64) {
	if text := c.view(m, uint32(s[2]), uint32(s[3])); len(c.notes) < maxNotes {
		c.notes = append(c.notes, note{int(int32(s[1])), legible(text)})
	}
}

func hostCount(c *call, _ api.Module, s []uint64) {
	if at, n := uint32(s[0]), int64(s[1]); uint64(at) < uint64(len(c.counts)) && n > 0 {
		c.counts[at] += n
	}
}

func hostAbort(c *call, m api.Module, s []uint64) {
	message := "abort: " + c.utf16(m, uint32(s[0]))
	if file := c.utf16(m, uint32(s[1])); file != "" {
		message += fmt.Sprintf(" (%s:%d:%d)", file, uint32(s[2]), uint32(s[3]))
	}
	panic(&stopped{code: abi.Trap, message: message})
}

// provide gives the runtime the functions that a module imports, and the tick of a
// metered one.
func (p *Plugin) provide(m *module.Module) error {
	ctx, r, functions := context.Background(), p.runtime, hostFuncs()
	builders := map[string]wazero.HostModuleBuilder{}
	for _, im := range m.Imports {
		run := functions[im.Module+"."+im.Name]
		if run == nil {
			return fmt.Errorf("%s.%s is allowed and not provided", im.Module, im.Name)
		}
		if builders[im.Module] == nil {
			builders[im.Module] = r.NewHostModuleBuilder(im.Module)
		}
		t := m.Types[im.Func]
		builders[im.Module].NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(
			func(ctx context.Context, m api.Module, stack []uint64) {
				c := callOf(ctx)
				c.enter()
				run(c, m, stack)
			}), types(t.Params), types(t.Results)).Export(im.Name)
	}
	if !p.options.Unmetered {
		builders[meter.TickModule] = r.NewHostModuleBuilder(meter.TickModule)
		builders[meter.TickModule].NewFunctionBuilder().WithGoFunction(api.GoFunc(tick), nil, []api.ValueType{api.ValueTypeI64}).Export(meter.Tick)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tick is called when the fuel is gone: it stops the guest or gives it more.
func tick(ctx context.Context, s []uint64) {
	c := callOf(ctx)
	c.check()
	c.granted += fuelSlice
	s[0] = fuelSlice
}

// types spells value types for the runtime: both use the format's own bytes.
func types(list []module.ValueType) (out []api.ValueType) {
	for _, t := range list {
		out = append(out, api.ValueType(t))
	}
	return out
}

func levelOf(fault bool) slog.Level {
	if fault {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
