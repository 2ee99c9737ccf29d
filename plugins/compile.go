package plugins

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/meter"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// compileWorkers is how many goroutines compile one module. With one the runtime
// does not look at its deadline.
const compileWorkers = 2

// fuelSlice is what a guest may spend before it is looked at: some 30 µs of work, 250 when
// it does nothing but what takes longest. A look takes 0.1.
const fuelSlice = 20_000

// compile makes the plugin's module ready to be instantiated. What it leaves on an
// error, release frees.
func (p *Plugin) compile(ctx context.Context, wasm []byte, m *module.Module) *Error {
	if pages := p.info.Pages; pages > p.limits.Pages {
		return fault(abi.OutOfMemory, StepCompile, "it begins with %d pages of memory; it may have %d", pages, p.limits.Pages)
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(experimental.WithCompilationWorkers(ctx, compileWorkers), p.limits.Compile)
	defer cancel()
	wasm, err := p.meter(wasm, m)
	if err == nil {
		err = p.compileCached(ctx, wasm)
	}
	p.compileTime = time.Since(start)
	if err != nil {
		return p.notCompiled(ctx, err)
	}
	if err := p.provide(m); err != nil {
		return &Error{Code: abi.Internal, Step: StepInstantiate, Record: -1, Message: err.Error(), Err: err}
	}
	p.config = wazero.NewModuleConfig().WithName("").WithStartFunctions()
	return nil
}

// meter adds what stops the module to it.
func (p *Plugin) meter(wasm []byte, m *module.Module) ([]byte, error) {
	if p.options.Unmetered {
		return module.Strip(wasm), nil
	}
	return meter.Rewrite(m, meter.Options{Slice: fuelSlice, Depth: p.limits.Depth})
}

// compileWith compiles in a runtime of its own, which shares nothing with others
// but the directory of the cache.
func (p *Plugin) compileWith(ctx context.Context, wasm []byte, cache wazero.CompilationCache) error {
	config := wazero.NewRuntimeConfigCompiler()
	if p.options.Engine == Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	config = config.WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(uint32(p.limits.Pages)).
		WithDebugInfoEnabled(false).WithCloseOnContextDone(p.options.Unmetered)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	p.cache, p.runtime = cache, wazero.NewRuntimeWithConfig(ctx, config)
	compiled, err := p.runtime.CompileModule(ctx, wasm)
	p.compiled = compiled
	return err
}

func (p *Plugin) notCompiled(ctx context.Context, err error) *Error {
	out := &Error{Code: abi.BadModule, Step: StepCompile, Record: -1, Message: err.Error(), Err: err}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		out.Code, out.Message = abi.CompileTimeout, "it was not compiled within "+p.limits.Compile.String()
	case ctx.Err() != nil:
		out.Code, out.Message, out.Err = abi.CompileTimeout, "compiling it was cancelled", ctx.Err()
	}
	return out
}
