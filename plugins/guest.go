package plugins

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/meter"
)

// guest is one instance of a module in the sandbox. After any error it is closed:
// one that panicked looks alive and dies later.
type guest struct {
	plugin *Plugin
	module api.Module
	ctx    context.Context // carries the call to host functions
	call   call

	alloc, transform api.Function
	fuel             api.Global // what is left of the slice; nil: not metered
	depth            api.Global // of the calls that it is in; nil: not metered
	stack            [2]uint64

	first   int64 // bytes of memory after its first batch; 0: it had none
	counted int64 // bytes of memory that the plugin's counts hold for it
}

// newGuest starts an instance: its start function, _initialize, sluice_init, all
// within the limit Init.
func newGuest(ctx context.Context, p *Plugin) (*guest, *Error) {
	g := &guest{plugin: p}
	g.call.guest = g
	g.ctx = context.WithValue(context.Background(), callKey{}, &g.call)
	g.call.begin(ctx, p.limits.Init, 0, 0)
	defer g.call.end()
	within, stop := p.bounded(g.ctx, ctx, p.limits.Init)
	defer stop()
	m, err := p.runtime.InstantiateModule(within, p.compiled, p.config)
	if err != nil {
		return nil, g.failed(StepInstantiate, err)
	}
	g.module = m
	g.alloc, g.transform = m.ExportedFunction(abi.Alloc), m.ExportedFunction(abi.Transform)
	g.fuel, g.depth = m.ExportedGlobal(meter.Fuel), m.ExportedGlobal(meter.DepthGlobal)
	if start := m.ExportedFunction(abi.Start); start != nil {
		if _, err := start.Call(within); err != nil {
			failure := g.failed(StepInstantiate, err)
			g.close()
			return nil, failure
		}
	}
	if err := g.init(within); err != nil {
		g.close()
		return nil, err
	}
	p.counts.instances.Add(1)
	g.measure()
	return g, nil
}

// init hands over the config.
func (g *guest) init(ctx context.Context) *Error {
	config := g.plugin.options.Config
	at, err := g.place(ctx, StepInit, len(config))
	if err != nil {
		return err
	}
	if !g.module.Memory().Write(at, config) {
		return fault(abi.BadOutput, StepInit, "%s returned %#x, where %d bytes do not fit", abi.Alloc, at, len(config))
	}
	answer, trap := g.module.ExportedFunction(abi.Init).Call(ctx, uint64(at), uint64(len(config)))
	if trap != nil {
		return g.failed(StepInit, trap)
	}
	if code := abi.Code(uint32(answer[0])); code != 0 {
		return g.refused(StepInit, code)
	}
	return nil
}

// place asks the guest for room for n bytes.
func (g *guest) place(ctx context.Context, step string, n int) (uint32, *Error) {
	g.stack[0] = uint64(n)
	if err := g.alloc.CallWithStack(ctx, g.stack[:]); err != nil {
		return 0, g.failed(step, err)
	}
	at := uint32(g.stack[0])
	switch {
	case at == 0:
		return 0, fault(abi.OutOfMemory, step, "%s has no room for %d bytes", abi.Alloc, n)
	case at%8 != 0:
		return 0, fault(abi.BadOutput, step, "%s returned %#x, which is not 8-aligned", abi.Alloc, at)
	case uint64(at)+uint64(n) > uint64(g.module.Memory().Size()):
		return 0, fault(abi.BadOutput, step, "%s returned %#x, where %d bytes reach over the end of memory", abi.Alloc, at, n)
	}
	return at, nil
}

// run passes a batch through the guest. The batch is not changed; x holds the
// result. An error means that the guest must be closed.
func (g *guest) run(ctx context.Context, x *exchange, known *interned) *Error {
	p, b := g.plugin, x.batch
	g.call.begin(ctx, p.limits.Batch, b.Now, b.Sequence)
	defer g.call.end()
	within, stop := p.bounded(g.ctx, ctx, p.limits.Batch)
	defer stop()
	n := x.sent.size()
	at, err := g.place(within, StepTransform, n)
	if err != nil {
		return err
	}
	room, _ := g.module.Memory().Read(at, uint32(n))
	x.write(room)
	g.stack[0], g.stack[1] = uint64(at), uint64(n)
	if err := g.transform.CallWithStack(within, g.stack[:]); err != nil {
		return g.failed(StepTransform, err)
	}
	answer := abi.Answer(g.stack[0])
	if code := answer.Code(); code != 0 && code != abi.RecordFailed {
		return g.refused(StepTransform, code)
	}
	memory, _ := g.module.Memory().Read(0, g.module.Memory().Size())
	if err := x.read(memory, at, answer, known); err != nil {
		return err
	}
	if err := x.judge(); err != nil {
		return err
	}
	if answer.Code() == abi.RecordFailed && x.back.moved.failed == 0 {
		return fault(abi.BadOutput, StepTransform, "it says that records failed, and flags none")
	}
	return nil
}

// spent returns the fuel that the last call used: the same for the same input.
func (g *guest) spent() int64 {
	if g.fuel == nil {
		return 0
	}
	return g.call.granted - int64(g.fuel.Get())
}

// full tells whether the guest's memory has grown so far that a new one is due.
func (g *guest) full() bool {
	size := g.measure()
	if g.first == 0 {
		g.first = size
	}
	return size > g.first && size > int64(g.plugin.limits.Pages)*pageSize*3/4
}

// measure counts the guest's memory and returns it in bytes.
func (g *guest) measure() int64 {
	size := int64(g.module.Memory().Size())
	g.plugin.counts.memory.Add(size - g.counted)
	g.counted = size
	return size
}

// close ends the guest without running anything of it.
func (g *guest) close() {
	if g.module == nil {
		return
	}
	if g.counted > 0 {
		g.plugin.counts.instances.Add(-1)
		g.plugin.counts.memory.Add(-g.counted)
	}
	_ = g.module.Close(context.Background()) // closing frees memory, it has nothing to report
	g.module = nil
}

// farewell lets a healthy guest clean up, then ends it.
func (g *guest) farewell() {
	if end := g.module.ExportedFunction(abi.Close); end != nil {
		g.call.begin(context.Background(), g.plugin.limits.Batch, 0, 0)
		defer g.call.end()
		within, stop := g.plugin.bounded(g.ctx, g.ctx, g.plugin.limits.Batch)
		defer stop()
		if _, err := end.Call(within); err != nil {
			g.plugin.trouble("an instance of a plugin could not clean up", g.failed(abi.Close, err))
		}
	}
	g.close()
}

const pageSize = 64 << 10
