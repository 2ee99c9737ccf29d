package transform

import (
	"sync/atomic"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Tried is what a plugin would have done with samples that it was only tried on.
type Tried struct {
	Rows    uint64 // that it was given; those that are not counted below stay as they are
	Changed uint64 // with another name, other labels or another value
	Dropped uint64
	Failed  uint64
	Made    uint64 // beside them
}

func (t Tried) plus(o Tried) Tried {
	return Tried{t.Rows + o.Rows, t.Changed + o.Changed, t.Dropped + o.Dropped, t.Failed + o.Failed, t.Made + o.Made}
}

// tried are Tried as they are kept.
type tried struct{ rows, changed, dropped, failed, made atomic.Uint64 }

func (t *tried) now() Tried {
	return Tried{t.rows.Load(), t.changed.Load(), t.dropped.Load(), t.failed.Load(), t.made.Load()}
}

// Tried implements engine.Trier.
func (w *way) Tried(t engine.Trial) {
	n := &w.handle.tried
	n.rows.Add(uint64(t.Rows))
	n.changed.Add(uint64(t.Changed))
	n.dropped.Add(uint64(t.Dropped))
	n.failed.Add(uint64(t.Failed))
	n.made.Add(uint64(t.Made))
}
