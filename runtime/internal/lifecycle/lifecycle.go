// Package lifecycle runs the named parts of a program: it starts them in order,
// stops them in reverse order, and says by name which one failed or hangs. It
// knows nothing of what a part does.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Part is one long-lived piece of the program.
type Part struct {
	// Name is what errors about the part begin with.
	Name string

	// Run blocks until ctx ends or the part cannot go on, and has let go of
	// everything (goroutines, files, connections) when it returns. It calls ready
	// once it serves the parts that start after it; calling it again does nothing.
	// Returning early, with or without an error, stops the whole program.
	Run func(ctx context.Context, ready func()) error
}

// Run starts parts in order, each one when the one before is ready, and blocks.
// When ctx ends or a part returns, it stops them in reverse order: the context of
// a part is cancelled only after all later parts have returned, so a part can use
// the earlier ones until its end. The contexts given to parts carry ctx's values
// but not its cancellation.
//
// Parts that have not stopped stopTimeout after the stop began no longer hold the
// others up: all that are left are cancelled together and have stopTimeout once
// more; what still runs then is named in the error, and its goroutine is left.
//
// The error joins those of all parts, the one that caused the stop first. A part
// that returns context.Canceled after it was cancelled has stopped without error.
func Run(ctx context.Context, stopTimeout time.Duration, parts ...Part) error {
	g := group{ended: make(chan *running, len(parts))}
	g.run(ctx, parts)
	g.stop(stopTimeout)
	return errors.Join(g.errs...)
}

// group is the parts of one Run that were started. Only Run's goroutine uses it.
type group struct {
	parts []*running
	ended chan *running // one entry per part that has returned; never blocks a part
	errs  []error
}

type running struct {
	name      string
	cancel    context.CancelFunc
	ready     chan struct{}
	err       error // set before ended is sent
	cancelled bool
	gone      bool
}

// run starts the parts and returns when it is time to stop.
func (g *group) run(ctx context.Context, parts []Part) {
	for _, p := range parts {
		select {
		case <-g.start(ctx, p).ready:
		case r := <-g.ended:
			g.take(r)
			return
		case <-ctx.Done():
			return
		}
	}
	select {
	case r := <-g.ended:
		g.take(r)
	case <-ctx.Done():
	}
}

func (g *group) start(ctx context.Context, p Part) *running {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{name: p.Name, cancel: cancel, ready: make(chan struct{}, 1)}
	g.parts = append(g.parts, r)
	go func() {
		r.err = p.Run(own, func() {
			select {
			case r.ready <- struct{}{}:
			default:
			}
		})
		g.ended <- r
	}()
	return r
}

// take notes that a part has returned.
func (g *group) take(r *running) {
	r.gone = true
	r.cancel()
	if r.err == nil || r.cancelled && errors.Is(r.err, context.Canceled) {
		return
	}
	g.errs = append(g.errs, fmt.Errorf("%s: %w", r.name, r.err))
}

func (g *group) stop(timeout time.Duration) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for i := len(g.parts) - 1; i >= 0; i-- {
		if !g.wait(deadline.C, g.parts[i]) {
			break
		}
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	if g.wait(late.C, g.parts...) {
		return
	}
	var hang []string
	for _, r := range g.parts {
		if !r.gone {
			hang = append(hang, r.name)
		}
	}
	g.errs = append(g.errs, fmt.Errorf("still running %s after stop: %s", 2*timeout, strings.Join(hang, ", ")))
}

// wait cancels parts and waits until they have returned; false when the time is
// up before. Others that return meanwhile are taken too.
func (g *group) wait(timeout <-chan time.Time, parts ...*running) bool {
	for _, r := range parts {
		r.cancelled = true
		r.cancel()
	}
	for _, r := range parts {
		for !r.gone {
			select {
			case x := <-g.ended:
				g.take(x)
			case <-timeout:
				return false
			}
		}
	}
	return true
}
