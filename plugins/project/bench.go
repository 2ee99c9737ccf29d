package project

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
)

// Load is what a plugin is measured with.
type Load struct {
	Config []byte // JSON; nil: {}
	In     []Sample
	For    time.Duration // how long; it is at least GrowthBatches batches
}

// Cost is what a plugin costs in batches of 1,000 records.
type Cost struct {
	Batches int     `json:"batches"`       // measured
	Records int     `json:"records"`       // of a batch
	Median  float64 `json:"ns_median"`     // nanoseconds per record, with validation, of half of the batches at most
	P99     float64 `json:"ns_p99"`        // nanoseconds per record, of 99 % of the batches at most
	Fuel    float64 `json:"fuel"`          // per record, of GrowthBatches batches: the same on every machine
	Allocs  float64 `json:"allocations"`   // of the host per batch, once all that is kept is there
	Ready   float64 `json:"ready_seconds"` // that compiling took

	// Memory is that of an instance, bytes: at first, and after each quarter of
	// GrowthBatches batches.
	Memory   []int64 `json:"memory"`
	Replaced uint64  `json:"replaced"` // instances given up in the meantime, since their memory had grown
}

// Growth is looked for in so many batches, in parts of so many: memory that grows in
// every part grows without end, while what a plugin keeps to work with stays as it is.
const (
	GrowthBatches = 240
	growthPart    = 60
)

// Bounds of a measurement.
const (
	benchBatch = 1000
	warmRounds = 5
)

// FuelGrowth is how much more fuel a version may cost than the one before.
const FuelGrowth = 0.10

// Bench measures a module. Errors: ErrInput without samples, a *plugins.Error for a
// module that is not let in, or that does not transform the samples.
func Bench(ctx context.Context, wasm []byte, l Load) (*Cost, error) {
	if len(l.In) == 0 {
		return nil, fmt.Errorf("%w: there are no samples to measure with", ErrInput)
	}
	limits := patient()
	plugin, err := plugins.Load(ctx, wasm, plugins.Options{Limits: limits, Config: l.Config})
	if err != nil {
		return nil, err
	}
	defer plugin.Close(ctx)
	instance, err := plugin.Instance(ctx)
	if err != nil {
		return nil, err
	}
	defer instance.Close()
	in := slices.Repeat(l.In, (benchBatch+len(l.In)-1)/len(l.In))[:benchBatch]
	var whole, b plugins.Batch
	fill(&whole, in, plugin.Manifest().Scope, in[0].Time, 0)
	var took []float64
	var fuel int64
	var before, after runtime.MemStats
	cost := &Cost{Records: benchBatch, Ready: plugin.Counts().Compile}
	for end := time.Now().Add(l.For); len(took) < warmRounds+GrowthBatches || time.Now().Before(end); {
		at := len(took) - warmRounds
		if at >= 0 && at < GrowthBatches && at%growthPart == 0 {
			cost.Memory = append(cost.Memory, instance.Memory())
			runtime.ReadMemStats(&before)
		}
		b.Copy(&whole)
		start := time.Now()
		if err := instance.Transform(ctx, &b); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(start).Nanoseconds())/benchBatch)
		if at >= 0 && at < GrowthBatches {
			fuel += instance.Fuel()
		}
		if at == GrowthBatches-1 {
			cost.Memory, cost.Replaced = append(cost.Memory, instance.Memory()), plugin.Counts().Replacements
			runtime.ReadMemStats(&after)
		}
	}
	cost.Fuel, cost.Allocs = float64(fuel)/(GrowthBatches*benchBatch), float64(after.Mallocs-before.Mallocs)/growthPart
	took = took[warmRounds:]
	slices.Sort(took)
	cost.Batches, cost.Median, cost.P99 = len(took), took[len(took)/2], took[len(took)*99/100]
	return cost, nil
}

// Growth says that the memory of an instance grows with every batch, "" when it does not.
func (c *Cost) Growth() string {
	first, last := c.Memory[0], c.Memory[len(c.Memory)-1]
	if c.Replaced > 0 {
		return fmt.Sprintf("its memory grew until the instance was given up, %d times in %d batches: it keeps something of every batch", c.Replaced, GrowthBatches)
	}
	for i := 1; i < len(c.Memory); i++ {
		if c.Memory[i] <= c.Memory[i-1] {
			return ""
		}
	}
	return fmt.Sprintf("its memory grew from %d to %d KiB in %d batches, and all the time: it keeps something of every batch", first>>10, last>>10, GrowthBatches)
}

// Regression says how much more fuel a version costs than the one before, when that
// is more than FuelGrowth; "" else. Time is no measure: it depends on the machine.
func (c *Cost) Regression(before *Cost) string {
	if c.Fuel <= before.Fuel*(1+FuelGrowth) {
		return ""
	}
	if before.Fuel == 0 {
		return fmt.Sprintf("a record costs %.1f fuel, and cost none", c.Fuel)
	}
	return fmt.Sprintf("a record costs %.1f fuel, %.0f %% more than %.1f; it may be %.0f %%", c.Fuel, 100*(c.Fuel/before.Fuel-1), before.Fuel, 100*FuelGrowth)
}

// BenchLoad is what the project's fixtures give to measure with: config and samples
// of the first, by name, that is to be transformed. Errors as of Fixtures.
func (p *Project) BenchLoad() (Load, error) {
	fixtures, err := p.Fixtures()
	if err != nil {
		return Load{}, err
	}
	for _, f := range fixtures {
		if f.Want.Error == "" && len(f.In) > 0 {
			return Load{Config: f.Config, In: f.In}, nil
		}
	}
	return Load{}, fmt.Errorf("%w: no fixture has samples that are transformed", ErrInput)
}

// Run has samples transformed as they come, in batches of 1,000 at most, and hands on
// what comes of each batch. A batch that fails is halved, so that the samples it fails
// for are told apart. next returns the next sample, and false at the end. Errors: those
// of next and emit, a *plugins.Error for a plugin that is not let in.
func Run(ctx context.Context, wasm, config []byte, next func() (Sample, bool, error), emit func(*Outcome) error) error {
	plugin, err := plugins.Load(ctx, wasm, plugins.Options{Config: config})
	if err != nil {
		return err
	}
	defer plugin.Close(ctx)
	worker, err := plugins.NewQuestions(plugin).Worker(ctx)
	if err != nil {
		return err
	}
	defer worker.Close()
	var b plugins.Batch
	var in []Sample
	scope := plugin.Manifest().Scope
	for first, more := 0, true; more; first += len(in) {
		in = in[:0]
		var now int64
		for more && len(in) < benchBatch {
			var s Sample
			if s, more, err = next(); err != nil {
				return err
			} else if more {
				now = max(now, s.Time)
				in = append(in, s)
			}
		}
		if len(in) == 0 {
			return nil
		}
		fill(&b, in, scope, now, first)
		if err := worker.Run(ctx, &b); err != nil {
			return fmt.Errorf("samples %d to %d: %w", first, first+len(in)-1, err)
		}
		out := &Outcome{}
		out.collect(&b, in, scope, first)
		if err := emit(out); err != nil {
			return err
		}
	}
	return nil
}
