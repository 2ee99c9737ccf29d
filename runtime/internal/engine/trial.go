package engine

import (
	"context"
	"math"
	"slices"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// try hands a share of the batches to a transform whose rule is on trial, and sends
// every row on as if the rule were not there. Which batches it gets depends on where
// they begin, so they are the same when they are read again.
func (w *Worker) try(ctx context.Context, s *queue, rows []row) error {
	b := &w.transit.batch
	if tried(b, s.transform.Shadow) {
		b.Flags |= abi.DryRun
		before := Batch{Records: slices.Clone(b.Records), Pairs: slices.Clone(b.Pairs), Strings: slices.Clone(b.Strings)}
		if err := w.call(ctx, s); err != nil {
			return err
		}
		if told, ok := s.transformer.(Trier); ok {
			told.Tried(difference(&before, b))
		}
	}
	for i := range rows {
		l, err := w.ownLink(ctx, &rows[i])
		if err != nil {
			return err
		}
		w.goOnward(rows[i], l)
	}
	return nil
}

// tried reports whether a batch is in the share of those that a transform is tried on.
func tried(b *Batch, share float64) bool {
	x := (b.Sequence ^ uint64(b.Now)*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	return float64((x^x>>33)>>11)/(1<<53) < share
}

// difference is what became of the rows of a batch.
func difference(before, after *Batch) (t Trial) {
	met := make([]bool, len(before.Records))
	t.Rows = len(met)
	for _, f := range after.Failed {
		if !met[f.Record] {
			met[f.Record] = true
			t.Failed++
		}
	}
	for i := range after.Records {
		r := &after.Records[i]
		switch was := &before.Records[r.Source]; {
		case met[r.Source]:
			t.Made++
			continue
		case !sameSample(before, was, after, r):
			t.Changed++
		}
		met[r.Source] = true
	}
	for _, met := range met {
		if !met {
			t.Dropped++
		}
	}
	return t
}

func sameSample(before *Batch, was *abi.Record, after *Batch, r *abi.Record) bool {
	same := math.Float64bits(was.Value) == math.Float64bits(r.Value) && was.Kind == r.Kind &&
		before.Strings[was.Name] == after.Strings[r.Name] && was.Labels == r.Labels
	for i := 0; same && i < int(r.Labels); i++ {
		p, q := before.Pairs[int(was.First)+i], after.Pairs[int(r.First)+i]
		same = before.Strings[p.Key] == after.Strings[q.Key] && before.Strings[p.Value] == after.Strings[q.Value]
	}
	return same
}
