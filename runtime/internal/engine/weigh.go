package engine

import (
	"context"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// Weight is how much of a series that a worker has cached came of late.
type Weight struct {
	Task    string
	Team    string         // of the task, "": none
	Name    string         // of the series, as reported
	Samples float64        // per second
	Bytes   float64        // per second, of records
	Rule    program.RuleID // that decided about the series, "": none
	Out     bool           // it goes on; per-sample rules may still end some of its samples
}

// Weigh visits what Live does, without labels, which makes it several times
// cheaper. Nobody keeps what is visited.
func (e *Engine) Weigh(ctx context.Context, within time.Duration, visit func(*Weight)) error {
	since := e.opts.Now().Add(-within).UnixMilli()
	for _, w := range e.open.list() {
		l := liveReader{worker: w, since: since, within: within.Milliseconds()}
		for more := true; more; {
			if err := w.turn.await(ctx); err != nil {
				return err
			}
			more = l.slice()
			w.turn.give()
			l.weigh(visit)
		}
	}
	return nil
}

func (l *liveReader) weigh(visit func(*Weight)) {
	var of *liveSource
	var x Weight
	for i := range l.found {
		e := &l.found[i]
		if of != e.source {
			of = e.source
			x.Task, x.Team = record.Unquote(of.source.raw[of.source.cut:]), of.team
		}
		x.Name, x.Rule, x.Out, x.Samples, x.Bytes = e.name.series, e.rule, e.out, 0, 0
		if s := of.seconds(); s > 0 {
			x.Samples, x.Bytes = float64(e.samples)/s, float64(e.bytes)/s
		}
		visit(&x)
	}
}

// decided returns what was decided about a series: by which rule, and whether it
// goes on. It is called in the reader's turn.
func (w *Worker) decided(e *series) (rule program.RuleID, out bool) {
	for _, f := range []*force{w.forces.base, w.forces.candidate} {
		if f == nil || f.number != e.gen { // its rules are those of another generation
			continue
		}
		if i := w.ender(e); i >= 0 && int(i) < len(f.rules) {
			rule = f.rules[i].Label
		}
	}
	return rule, e.disposition == ledger.Out
}
