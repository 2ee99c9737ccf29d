// Package plugins is the sandbox: it takes the bytes of a WebAssembly module, lets
// it in or says why not, and passes batches of records through it. Whatever the
// module does costs a bounded time and memory, and changes a batch as its manifest
// says or not at all. It knows nothing of policies, of Kafka or of the language that
// policies are written in, and is the only package that knows the runtime.
package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Engine is what runs a module.
type Engine int

// The engines. The interpreter is some forty times slower; a difference between
// them is a fault of one of them, which is what it is for.
const (
	Compiler Engine = iota
	Interpreter
)

// Options say how a plugin is loaded.
type Options struct {
	Limits   Limits                              // a zero field is its default
	CacheDir string                              // of compiled modules, made when missing; "": none
	Config   []byte                              // JSON that its init is given; nil: {}
	Writes   []string                            // labels that it may change, of those that its manifest says; nil: all of these
	Log      func(level slog.Level, line string) // what the plugin says; called from any goroutine, must not block; nil: nobody listens
	Engine   Engine

	// Trouble is told what goes wrong around the plugin and does not keep it from
	// working, such as a cache that cannot be written. It is called from any goroutine
	// and must not block; nil: nobody listens.
	Trouble func(what string, err error)

	// Unmetered stops a plugin by the runtime's own means in place of the metering
	// that is added to it: slower, and some loops evade it. It is there in case
	// metering should turn out to change what a module does.
	Unmetered bool
}

// ErrClosed is why a plugin that was closed transforms nothing.
var ErrClosed = errors.New("the plugin was closed")

// Plugin is a module that was let in: compiled, tried, ready. It may be used by
// many goroutines, each through an Instance of its own.
type Plugin struct {
	info     Info
	manifest abi.Manifest
	limits   Limits
	options  Options
	seed     uint64 // of the guests' randomness

	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil: none
	compiled wazero.CompiledModule
	config   wazero.ModuleConfig

	compileTime time.Duration
	cached      bool
	counts      *counters
	made        *window
	lines       lineLimit

	use     sync.RWMutex // held while a guest runs; Close takes it whole
	closed  bool
	spare   chan *guest
	filling sync.Mutex // one spare is built at a time
	pending sync.WaitGroup
}

// Load lets a module in: its manifest is read, it is judged, compiled, started,
// given its config and tried with a record, each within its limit. An error is an
// *Error whose Step says how far it came. The plugin must be closed.
func Load(ctx context.Context, wasm []byte, o Options) (*Plugin, error) {
	p, err := load(ctx, wasm, o)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func load(ctx context.Context, wasm []byte, o Options) (*Plugin, *Error) {
	if !littleEndian() {
		return nil, fault(abi.Unsupported, StepParse, "plugins need a little-endian machine")
	}
	size := o.Limits.with(0).Size
	if len(wasm) > size {
		return nil, fault(abi.Gate, StepParse, "the module has %d bytes; it may have %d", len(wasm), size)
	}
	info, m, err := inspect(wasm)
	if err != nil {
		return nil, err
	}
	if o.Config == nil {
		o.Config = []byte("{}")
	}
	p := &Plugin{
		info: info, manifest: info.Manifest, options: o, limits: o.Limits.with(info.Manifest.Limits.Pages),
		counts: newCounters(info.Manifest), made: newWindow(), spare: make(chan *guest, 1),
	}
	if o.Writes != nil {
		p.manifest.Writes.Labels = within(o.Writes, p.manifest.Writes.Labels)
	}
	sum := sha256.Sum256(wasm)
	p.seed = binary.LittleEndian.Uint64(sum[:])
	if err := p.compile(ctx, wasm, m); err != nil {
		p.release()
		return nil, err
	}
	if err := p.selfTest(ctx); err != nil {
		p.shut()
		return nil, err
	}
	return p, nil
}

// Manifest returns what the plugin says about itself, with the labels that it may
// change here.
func (p *Plugin) Manifest() abi.Manifest { return p.manifest }

// Digest returns the identity of the module: "sha256:" and 64 hexadecimal digits.
func (p *Plugin) Digest() string { return p.info.Digest }

// Limits returns the limits in force, none of them zero.
func (p *Plugin) Limits() Limits { return p.limits }

// Close ends the instances and frees what the plugin holds. It waits for calls that
// run, which their deadline ends; later ones fail with ErrClosed.
func (p *Plugin) Close(context.Context) error {
	p.shut()
	return nil
}

func (p *Plugin) shut() {
	p.use.Lock()
	was := p.closed
	p.closed = true
	p.use.Unlock()
	if was {
		return
	}
	p.pending.Wait()
	select {
	case g := <-p.spare:
		g.farewell()
	default:
	}
	p.release()
}

// release frees the runtime, and with it all that it holds. Closing it frees
// memory; there is nothing that could be done about a failure.
func (p *Plugin) release() {
	if p.runtime != nil {
		_ = p.runtime.Close(context.Background())
	}
	if p.cache != nil {
		_ = p.cache.Close(context.Background())
	}
}

// selfTest passes one plain record and an empty batch through a first instance,
// which becomes the spare.
func (p *Plugin) selfTest(ctx context.Context) *Error {
	i, err := p.instance(ctx)
	if err != nil {
		return err
	}
	var b Batch
	for n := range 2 {
		b.Reset()
		b.Flags = abi.DryRun
		if n == 0 {
			b.Add(abi.Record{Name: b.Intern("sluice_self_test")})
		}
		i.exchange.begin(&b)
		if err := i.guest.run(ctx, &i.exchange, &i.known); err != nil {
			err.Step = StepSelfTest
			i.guest.close()
			return err
		}
	}
	p.spare <- i.guest
	return nil
}

// take returns an instance: the spare one, or a new one.
func (p *Plugin) take(ctx context.Context) (*guest, *Error) {
	select {
	case g := <-p.spare:
		return g, nil
	default:
		return newGuest(ctx, p)
	}
}

// refill builds a spare instance beside the work.
func (p *Plugin) refill() {
	if p.closed || len(p.spare) > 0 || !p.filling.TryLock() {
		return
	}
	p.pending.Go(func() {
		defer p.filling.Unlock()
		g, err := newGuest(context.Background(), p)
		if err != nil {
			p.trouble("a spare instance of a plugin could not be started", err)
			return
		}
		select {
		case p.spare <- g:
		default:
			g.close()
		}
	})
}

// bounded returns a context for a call that may last so long. Metering bounds it
// without one.
func (p *Plugin) bounded(ctx, outer context.Context, within time.Duration) (context.Context, context.CancelFunc) {
	if !p.options.Unmetered {
		return ctx, func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	stop := context.AfterFunc(outer, cancel)
	return ctx, func() { stop(); cancel() }
}

// arguments and environment are what a guest built with the standard Go toolchain
// looks at: its collector keeps within the memory that there is.
func (p *Plugin) arguments() []string { return []string{p.manifest.Name} }

func (p *Plugin) environment() []string {
	return []string{"GOGC=100", fmt.Sprintf("GOMEMLIMIT=%d", p.limits.Pages*pageSize*7/10)}
}

// digestOf returns the identity of a module.
func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}
