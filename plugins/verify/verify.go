// Package verify is the conformance kit: it shows that the sandbox contains what a
// plugin can do wrong, case by case, and whether a given plugin behaves on batches
// that are legal and unusual. It uses package plugins as everyone does, and knows
// nothing of how that works.
package verify

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

// Case is one thing that a module can do wrong, or that looks wrong and is not.
type Case struct {
	Name  string   // group/what
	About string   // what the module does, a sentence
	Step  string   // at which it must fail
	Code  abi.Code // with which it must fail; 0: it must work

	limits   plugins.Limits
	module   func() []byte
	atLoad   bool
	replaced bool // the instance is given up, though it works
}

// Finding is the outcome of one check: Err says what is wrong, nil that nothing is.
type Finding struct {
	Name  string
	About string
	Err   error
}

// trigger is the sequence of the batch that the guests of the cases go wrong for.
const trigger = 13

// unhurried is the time for what is not about time, on a machine that others use too.
const unhurried = 10 * time.Second

// Cases lists everything that the sandbox is shown.
func Cases() []Case {
	return slices.Concat(runCases(), outputCases(), loadCases())
}

// Sandbox tries all cases. The last finding is about goroutines and memory, of
// which nothing may be left.
func Sandbox(ctx context.Context) []Finding {
	var out []Finding
	for _, c := range Cases() {
		out = append(out, Finding{c.Name, c.About, c.Try(ctx)})
	}
	return append(out, Finding{"growth", "nothing is left of any of them when they are tried again", growth(ctx)})
}

// Try shows the case to the sandbox: the code and step are as they must be, a batch
// that failed is untouched, the next one is right.
func (c Case) Try(ctx context.Context) error {
	if c.Code != abi.Deadline {
		c.limits.Batch, c.limits.Init = unhurried, unhurried
	}
	p, err := plugins.Load(ctx, c.module(), plugins.Options{Limits: c.limits})
	if c.atLoad {
		if err == nil {
			return errors.Join(errors.New("it was let in"), p.Close(ctx))
		}
		return c.expect(err)
	}
	if err != nil {
		return fmt.Errorf("it was not let in: %w", err)
	}
	return errors.Join(c.call(ctx, p), p.Close(ctx))
}

func (c Case) call(ctx context.Context, p *plugins.Plugin) error {
	i, err := p.Instance(ctx)
	if err != nil {
		return err
	}
	defer i.Close()
	for round, sequence := range []uint64{1, trigger, 2, trigger, 3} {
		b, before := sample(sequence), sample(sequence)
		err := i.Transform(ctx, b)
		switch {
		case sequence != trigger && err != nil:
			return fmt.Errorf("batch %d, which is plain: %w", round, err)
		case sequence != trigger:
			err = doubled(b)
		case c.Code == 0 && err != nil:
			return fmt.Errorf("batch %d: %w", round, err)
		case c.Code != 0:
			if err = c.expect(err); err == nil && !same(before, b) {
				err = errors.New("the batch that failed was changed")
			}
		}
		if err != nil {
			return fmt.Errorf("batch %d: %w", round, err)
		}
	}
	n := p.Counts()
	if want := c.Code != 0 || c.replaced; want != (n.Replacements == 2) {
		return fmt.Errorf("the instance was given up %d times", n.Replacements)
	}
	return nil
}

func same(a, b *plugins.Batch) bool {
	return slices.Equal(a.Records, b.Records) && slices.Equal(a.Pairs, b.Pairs) && slices.Equal(a.Strings, b.Strings)
}

func (c Case) expect(err error) error {
	var e *plugins.Error
	switch {
	case err == nil:
		return fmt.Errorf("it passed; it must fail with %s at %s", c.Code, c.Step)
	case !errors.As(err, &e):
		return fmt.Errorf("it failed without a code: %w", err)
	case e.Code != c.Code || e.Step != c.Step:
		return fmt.Errorf("it failed with %s at %s, not with %s at %s: %w", e.Code, e.Step, c.Code, c.Step, err)
	}
	return nil
}

// sample is the batch of the cases: three records with three labels.
func sample(sequence uint64) *plugins.Batch {
	b := &plugins.Batch{Now: 1_700_000_000_000, Sequence: sequence}
	for i := range 3 {
		b.Add(abi.Record{Time: int64(1000 * i), Value: float64(i + 1), Name: b.Intern("numRecordsIn")},
			abi.Pair{Key: b.Intern("host"), Value: b.Intern("worker-1")},
			abi.Pair{Key: b.Intern("job"), Value: b.Intern("orders")},
			abi.Pair{Key: b.Intern("task"), Value: b.Intern(fmt.Sprintf("map-%d", i))})
	}
	return b
}

// sampleStrings is how many strings the sample has: the number of a guest's first.
const sampleStrings = 9

// doubled says whether the batch is the sample with twice the values.
func doubled(b *plugins.Batch) error {
	want := sample(b.Sequence)
	for i := range want.Records {
		want.Records[i].Value *= 2
	}
	if !slices.Equal(b.Records, want.Records) || !slices.Equal(b.Pairs, want.Pairs) {
		return fmt.Errorf("a plain batch came back as %v %v", b.Records, b.Pairs)
	}
	return nil
}

// guest doubles values, and before that does something else for the trigger. Locals
// 4 to 7 are free for it. It must be able to fall through or to return an answer.
func guest(m abi.Manifest, bad assemble.Code, setup func(*assemble.Module)) assemble.Guest {
	return assemble.Guest{
		Manifest: m, Locals: "iiiiii", Setup: setup,
		Transform: when(bad) + assemble.EachRecord(2, 3,
			assemble.Get(2)+assemble.Get(2)+assemble.F64Load(8)+assemble.F64(2)+assemble.F64Mul+assemble.F64Store(8)) + assemble.I64(0),
	}
}

// when does something for the trigger alone.
func when(bad assemble.Code) assemble.Code {
	return assemble.Get(0) + assemble.I32Load(48) + assemble.I32(trigger) + assemble.I32Eq + assemble.If + bad + assemble.End
}

// How much more memory the process may have after the cases were tried again: what
// the collector and the allocator keep for themselves.
const growthBytes = 24 << 20

// growth tries all cases twice and compares.
func growth(ctx context.Context) error {
	before := runtime.NumGoroutine()
	for range 2 {
		if err := tryAll(ctx); err != nil {
			return err
		}
	}
	first := inUse()
	for range 2 {
		if err := tryAll(ctx); err != nil {
			return err
		}
	}
	if second := inUse(); second > first+growthBytes {
		return fmt.Errorf("%d bytes are in use, %d were before", second, first)
	}
	return settled(ctx, before)
}

// tryAll tries the cases that are quick, whatever comes of them.
func tryAll(ctx context.Context) error {
	for _, c := range Cases() {
		if c.Code != abi.Deadline {
			_ = c.Try(ctx) // its outcome has been looked at
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers of the first one freed
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// settled waits until no more goroutines run than before.
func settled(ctx context.Context, before int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		if runtime.NumGoroutine() <= before {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return fmt.Errorf("%d goroutines run, %d did before", runtime.NumGoroutine(), before)
}
