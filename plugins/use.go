package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Use is one place where a plugin is called for: it narrows a failing batch down to
// the records that make it fail, and stops calling a plugin that goes on failing.
// What becomes of records that failed is its caller's to decide.
type Use struct {
	plugin  *Plugin
	breaker breaker
	counts  *counters // what its calls are counted in
}

// NewUse makes a use of p.
func NewUse(p *Plugin) *Use { return &Use{plugin: p, counts: p.counts} }

// NewQuestions makes a use of p for questions, such as tests and explanations. Who asks
// is answered: however often p fails, it is called again. What it is called with there,
// and how that ends, is not in the Counts of p, which but for memory and instances tell
// of the other uses alone.
func NewQuestions(p *Plugin) *Use {
	return &Use{plugin: p, breaker: breaker{never: true}, counts: newCounters(p.manifest)}
}

// Plugin returns what is used.
func (u *Use) Plugin() *Plugin { return u.plugin }

// Breaker tells whether the plugin is called.
func (u *Use) Breaker() BreakerState { return u.breaker.now() }

// Worker makes a way through the use for one goroutine. Close it.
func (u *Use) Worker(ctx context.Context) (*Worker, error) {
	i, err := u.plugin.Instance(ctx)
	if err != nil {
		return nil, err
	}
	i.counts = u.counts
	return &Worker{use: u, instance: i}, nil
}

// What narrowing down a failing batch may cost.
const (
	maxHalvings  = 10
	maxCalls     = 32
	maxDeadlines = 4 // of time, in the limit of one batch
)

// Worker is one goroutine's way through a Use.
type Worker struct {
	use      *Use
	instance *Instance

	part  Batch // a part of a batch that failed
	whole Batch // what came of the parts
	calls int
	until time.Time
	lost  int
	ids   []uint32 // numbers in whole of part's strings
}

// Run passes the batch through the plugin. All records that it leaves out of
// Records and that the plugin did not drop are in b.Failed, with why: refused by
// the plugin, failed, or not tried since the breaker is open (abi.Broken). Source
// and Failure.Record are rows of the batch that was put in.
//
// An error, an *Error, means that nothing was decided, and leaves the batch
// untouched: ctx ended, the plugin was closed, the instance is in use, or the batch
// is not one.
func (w *Worker) Run(ctx context.Context, b *Batch) error {
	if err := b.check(w.use.plugin.limits.Labels); err != nil {
		return err
	}
	if !w.use.breaker.allow(time.Now()) {
		w.refuse(b)
		return nil
	}
	n := len(b.Records)
	err := w.instance.pass(ctx, b)
	switch {
	case err == nil:
		w.use.breaker.report(time.Now(), n, 0)
		return nil
	case undecided(ctx, err):
		w.use.breaker.cancel()
		return err
	}
	w.begin(b)
	if err := w.bisect(ctx, b, 0, n, maxHalvings, asError(err)); err != nil {
		w.use.breaker.cancel()
		return err
	}
	w.commit(b)
	w.use.breaker.report(time.Now(), n, w.lost)
	return nil
}

// Fuel returns what the last call of the plugin cost.
func (w *Worker) Fuel() int64 { return w.instance.Fuel() }

// Close ends the way. The plugin must not be closed yet.
func (w *Worker) Close() { w.instance.Close() }

// undecided tells whether an error says nothing about the records.
func undecided(ctx context.Context, err error) bool {
	e := asError(err)
	return ctx.Err() != nil || errors.Is(err, ErrClosed) || e.Code == abi.Internal && errors.Is(e.Err, errBusy)
}

func asError(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Code: abi.Internal, Step: StepTransform, Record: -1, Message: err.Error(), Err: err}
	}
	return e
}

// refuse fails every record: the breaker is open.
func (w *Worker) refuse(b *Batch) {
	w.use.counts.wrong(abi.Broken, len(b.Records))
	b.Failed = b.Failed[:0]
	for i := range b.Records {
		b.Failed = append(b.Failed, Failure{Record: i, Code: abi.Broken, Message: "the plugin failed too often and is not called for a while"})
	}
	b.Records, b.Pairs = b.Records[:0], b.Pairs[:0]
}

// begin prepares to put parts together.
func (w *Worker) begin(b *Batch) {
	w.whole.Fill(nil, nil, b.Strings)
	w.calls, w.lost = 1, 0
	w.until = time.Now().Add((maxDeadlines - 1) * w.use.plugin.limits.Batch)
}

// bisect tries both halves of the rows from lo to hi, which failed together for
// why. With nothing left to spend they fail together.
func (w *Worker) bisect(ctx context.Context, b *Batch, lo, hi, halvings int, why *Error) *Error {
	if hi-lo <= 1 || halvings == 0 {
		w.fail(lo, hi, why)
		return nil
	}
	mid := lo + (hi-lo)/2
	for _, half := range [][2]int{{lo, mid}, {mid, hi}} {
		if w.calls == maxCalls || time.Now().After(w.until) {
			w.fail(half[0], half[1], why)
			continue
		}
		w.calls++
		w.cut(b, half[0], half[1])
		err := w.instance.pass(ctx, &w.part)
		switch {
		case err == nil:
			w.add(half[0])
		case undecided(ctx, err):
			return asError(err)
		default:
			if err := w.bisect(ctx, b, half[0], half[1], halvings-1, asError(err)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Worker) fail(lo, hi int, why *Error) {
	message := why.Message
	if hi-lo > 1 {
		message = fmt.Sprintf("%s (one of %d records that were not told apart)", message, hi-lo)
	}
	for i := lo; i < hi; i++ {
		w.whole.Failed = append(w.whole.Failed, Failure{Record: i, Code: why.Code, Message: message})
	}
	w.lost += hi - lo
}

// cut makes part the rows from lo to hi of b.
func (w *Worker) cut(b *Batch, lo, hi int) {
	w.part.Fill(nil, nil, b.Strings)
	w.part.Now, w.part.Sequence, w.part.Flags = b.Now, b.Sequence, b.Flags
	for i := lo; i < hi; i++ {
		w.part.Add(b.Records[i], b.Labels(&b.Records[i])...)
	}
}

// add puts what came of a part, which began at row lo, to the whole.
func (w *Worker) add(lo int) {
	w.ids = w.ids[:0]
	for _, s := range w.part.Strings {
		w.ids = append(w.ids, w.whole.Intern(s))
	}
	for _, r := range w.part.Records {
		labels := w.part.Labels(&r)
		r.Name, r.Source, r.First = w.ids[r.Name], r.Source+uint32(lo), uint32(len(w.whole.Pairs))
		if r.Kind == abi.Text {
			r.Value = text(w.ids[textOf(&r)])
		}
		for _, p := range labels {
			w.whole.Pairs = append(w.whole.Pairs, abi.Pair{Key: w.ids[p.Key], Value: w.ids[p.Value]})
		}
		w.whole.Records = append(w.whole.Records, r)
	}
	for _, f := range w.part.Failed {
		f.Record += lo
		w.whole.Failed = append(w.whole.Failed, f)
	}
}

// commit makes the batch what the parts came to.
func (w *Worker) commit(b *Batch) {
	for _, s := range w.whole.Strings[len(b.Strings):] {
		b.Intern(s)
	}
	b.Records = append(b.Records[:0], w.whole.Records...)
	b.Pairs = append(b.Pairs[:0], w.whole.Pairs...)
	b.Failed = append(b.Failed[:0], w.whole.Failed...)
}
