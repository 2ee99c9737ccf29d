// Package meter rewrites a module so that whatever it does uses up fuel, and when the
// fuel is gone it calls out, to be stopped or to be given more. Loops and calls pay for
// the instructions they lead to, bulk operations for the bytes they move, large ones in
// parts; calls in calls are counted and end at a bound. What the module computes stays
// as it was. The package knows the format, and nothing of time, runtimes or plugins.
//
// A rewritten module imports TickModule.Tick, () -> i64: called with fuel below zero, it
// returns what is to be added; where that is never more than Options.Slice, no memory
// grows twice between two ticks. It exports Fuel, a mutable i64 that may be set between
// calls, and DepthGlobal, a mutable i32 that is 0 between calls; above Options.Depth
// after a trap it says why the trap. Fuel spent is all that was ever given less what is
// left: the same for the same calls on a new instance, whatever the machine.
package meter

import (
	"errors"

	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// Version changes when the same module is rewritten in another way; what was compiled
// from an earlier one must not be used.
const Version = 3

// Names of what a rewritten module imports and exports.
const (
	TickModule  = module.MeterModule
	Tick        = "tick"
	Fuel        = module.ReservedPrefix + "fuel"
	DepthGlobal = module.ReservedPrefix + "depth"
)

// What Options means by 0.
const (
	DefaultSlice = 10_000
	DefaultDepth = 4_000
)

// Options are how a module is metered.
type Options struct {
	Slice int64 // fuel at the start, and what growing the memory costs; a unit is some 16 instructions
	Depth int   // calls in calls; one of a large function counts as several, by its size
}

// Rewrite returns the module metered. It needs no Gate before it, and leaves out every
// custom section but the names of functions. An error means options out of range, never
// a parsed module.
func Rewrite(m *module.Module, o Options) ([]byte, error) {
	if o.Slice == 0 {
		o.Slice = DefaultSlice
	}
	if o.Depth == 0 {
		o.Depth = DefaultDepth
	}
	if o.Slice < 0 || o.Depth < 0 || o.Depth > 1<<30 {
		return nil, errors.New("meter: a slice and a depth are positive, a depth at most 2^30")
	}
	w := newRewriter(m, o)
	code := make([][]byte, len(m.Bodies))
	for i := range m.Bodies {
		code[i] = w.function(i)
	}
	return w.module(code), nil
}

// rewriter knows what stands where in the rewritten module.
type rewriter struct {
	m      *module.Module
	o      Options
	tick   uint32 // function: the last import
	fuel   uint32 // global
	depth  uint32 // global
	extras []extra
	added  []module.FuncType // types, after those of the module
}

func newRewriter(m *module.Module, o Options) *rewriter {
	globals := uint32(m.Imported(module.GlobalKind) + len(m.Globals))
	return &rewriter{m: m, o: o, tick: uint32(m.Imported(module.Function)), fuel: globals, depth: globals + 1}
}

// shift returns the index that a function has after the tick was put before it.
func (w *rewriter) shift(function uint32) uint32 {
	if function >= w.tick {
		return function + 1
	}
	return function
}

// typeOf returns the index of an added type, which it adds if need be.
func (w *rewriter) typeOf(t module.FuncType) uint32 {
	for i, a := range w.added {
		if a.Equal(t) {
			return uint32(len(w.m.Types) + i)
		}
	}
	w.added = append(w.added, t)
	return uint32(len(w.m.Types) + len(w.added) - 1)
}
