package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
)

// TestOptions choose what Test does.
type TestOptions struct {
	Only   func(fixture string) bool // nil: all
	Update bool                      // write what comes out into fixtures that differ from it
}

// TestReport is what Test found.
type TestReport struct {
	Fixtures []FixtureResult `json:"fixtures"`
	Failed   int             `json:"failed"`
	Runs     int             `json:"runs"` // of a fixture, in one way
}

// FixtureResult is what became of a fixture.
type FixtureResult struct {
	Name       string `json:"name"`
	Way        string `json:"way,omitempty"`        // in which it was run when it failed first
	Difference string `json:"difference,omitempty"` // the first; "": it passes
	Updated    bool   `json:"updated,omitempty"`
}

// way is one in which a fixture is run: all must give the same.
type way struct {
	engine    plugins.Engine
	unmetered bool
	size      int // of batches
	again     bool
}

func (w way) String() string {
	engine := map[plugins.Engine]string{plugins.Compiler: "compiler", plugins.Interpreter: "interpreter"}[w.engine]
	metering := map[bool]string{false: "metered", true: "plain"}[w.unmetered]
	round := map[bool]string{false: "first time", true: "second time"}[w.again]
	return fmt.Sprintf("%s, %s, batches of %d, %s", engine, metering, w.size, round)
}

// sizes are those of the batches. The first is that of the expectations.
var sizes = []int{1000, 7, 1}

// enough is how many samples make several batches of the middle size.
const enough = 15

// patient are limits that a machine under load keeps, too: time is not what tests
// are about.
func patient() plugins.Limits {
	return plugins.Limits{Batch: 20 * time.Second, Init: 30 * time.Second, Compile: 10 * time.Minute}
}

// Test runs the fixtures of the project through a module: on both engines, metered
// and plain, in batches of several sizes, twice on one instance. Errors: ErrInput for
// fixtures that are none, a *plugins.Error for a module that is not let in.
func (p *Project) Test(ctx context.Context, wasm []byte, o TestOptions) (*TestReport, error) {
	if _, err := plugins.Inspect(wasm); err != nil {
		return nil, err
	}
	fixtures, err := p.Fixtures()
	if err != nil {
		return nil, err
	}
	report := &TestReport{Fixtures: []FixtureResult{}}
	for _, f := range fixtures {
		if o.Only != nil && !o.Only(f.Name) {
			continue
		}
		result, err := f.test(ctx, wasm, o.Update, &report.Runs)
		if err != nil {
			return nil, err
		}
		if result.Difference != "" {
			report.Failed++
		}
		report.Fixtures = append(report.Fixtures, result)
	}
	return report, nil
}

// test runs a fixture in every way, up to the first difference.
func (f *Fixture) test(ctx context.Context, wasm []byte, update bool, runs *int) (FixtureResult, error) {
	out := FixtureResult{Name: f.Name}
	for _, engine := range []plugins.Engine{plugins.Compiler, plugins.Interpreter} {
		for _, unmetered := range []bool{false, true} {
			o := plugins.Options{Limits: patient(), Config: f.Config, Engine: engine, Unmetered: unmetered}
			err := f.load(ctx, wasm, o, func(w way, got *Outcome, as *Fixture) (more bool, err error) {
				*runs++
				d := as.Want.same(got)
				if d != "" && update && !out.Updated && w == (way{size: sizes[0]}) {
					out.Updated = true
					return true, f.update(got)
				}
				if d != "" {
					out.Way, out.Difference = w.String(), d
				}
				return d == "", nil
			})
			if err != nil || out.Difference != "" {
				return out, err
			}
		}
	}
	return out, nil
}

// update makes what came out the expectation.
func (f *Fixture) update(got *Outcome) error {
	f.Want = *got
	return f.write()
}

// load runs a fixture on one engine in batches of every size, and hands over what
// came of each.
func (f *Fixture) load(ctx context.Context, wasm []byte, o plugins.Options, each func(way, *Outcome, *Fixture) (bool, error)) error {
	w := way{engine: o.Engine, unmetered: o.Unmetered, size: sizes[0]}
	plugin, err := plugins.Load(ctx, wasm, o)
	if err != nil {
		out, err := refused(err)
		if err == nil {
			_, err = each(w, out, f)
		}
		return err
	}
	defer plugin.Close(ctx)
	for _, w.size = range sizes {
		many := f
		if n := len(f.In); w.size != sizes[0] && n > 0 && n < enough {
			many = f.times((enough + n - 1) / n)
		}
		instance, err := plugin.Instance(ctx)
		if err != nil {
			return err
		}
		for _, w.again = range []bool{false, true} {
			got, err := passAll(ctx, instance, plugin.Manifest().Scope, many.In, w.size)
			if err == nil {
				var more bool
				if more, err = each(w, got, many); err == nil && !more {
					instance.Close()
					return nil
				}
			}
			if err != nil {
				instance.Close()
				return err
			}
		}
		instance.Close()
	}
	return nil
}

// refused is an error of the sandbox as a fixture has it; any other is returned.
func refused(err error) (*Outcome, error) {
	e := (*plugins.Error)(nil)
	if !errors.As(err, &e) {
		return nil, err
	}
	out := &Outcome{Error: e.Step + ": " + e.Code.String(), why: e.Message}
	if stable(e.Code) && e.Message != "" {
		out.Error, out.why = out.Error+": "+e.Message, ""
	}
	return out, nil
}

// passAll has samples transformed in batches of a size, all or none.
func passAll(ctx context.Context, i *plugins.Instance, scope abi.Scope, in []Sample, size int) (*Outcome, error) {
	var now int64
	for j := range in {
		now = max(now, in[j].Time)
	}
	out := &Outcome{}
	var b plugins.Batch
	for first := 0; first < len(in); first += size {
		part := in[first:min(first+size, len(in))]
		fill(&b, part, scope, now, first)
		if err := i.Transform(ctx, &b); err != nil {
			return refused(err)
		}
		out.collect(&b, part, scope, first)
	}
	return out, nil
}

// collect adds what came of a batch. What was made of a sample follows it, whatever
// the size of the batch.
func (o *Outcome) collect(b *plugins.Batch, in []Sample, scope abi.Scope, first int) {
	order := make([]int, len(b.Records))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(b.Records[x].Source, b.Records[y].Source) })
	for _, at := range order {
		o.Out = append(o.Out, take(b, &b.Records[at], in, scope))
	}
	for _, f := range b.Failed {
		o.Failed = append(o.Failed, Failure{Record: first + f.Record, Code: f.Code.String(), Reason: f.Message})
	}
}
