package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// exchange hands the first rows to a transform, as many as a batch has room for, and
// takes what comes back.
func (w *Worker) exchange(ctx context.Context, s *queue, rows []row) (n int, err error) {
	x := &w.transit
	n = w.encode(rows)
	if s.transform.Shadow > 0 {
		err = w.try(ctx, s, rows[:n])
	} else if err = w.call(ctx, s); err == nil {
		err = w.collect(ctx, s, rows[:n])
	}
	for _, n := range x.text {
		x.words.leave(n)
	}
	x.text = x.text[:0]
	return n, err
}

// call has the transform work on the batch. What cannot be opened fails for all rows.
func (w *Worker) call(ctx context.Context, s *queue) error {
	b, err := &w.transit.batch, error(nil)
	if s.transformer == nil && w.opts.Transforms != nil {
		s.transformer, err = w.opts.Transforms.Open(s.transform)
	}
	if s.transformer != nil {
		if err := s.transformer.Transform(ctx, b); err != nil {
			return fmt.Errorf("transform %s: %w", s.transform.ID, err)
		}
		return nil
	}
	why := program.TransformError{Code: abi.Internal.String(), Message: "nothing here runs plugins"}
	if said := (*program.TransformError)(nil); errors.As(err, &said) {
		why = *said
	} else if err != nil {
		why.Message = err.Error()
	}
	for i := range b.Records {
		b.Failed = append(b.Failed, Failure{i, why.Code, why.Message})
	}
	b.Records = b.Records[:0]
	return nil
}

// maxText is how many bytes of names and labels a batch has, beyond which no row is
// added: half of what a plugin is given at most.
const maxText = 512 << 10

// encode makes a batch of the first rows and returns how many they are.
func (w *Worker) encode(rows []row) (n int) {
	x := &w.transit
	b, t := &x.batch, &x.words
	clear(b.Strings)
	first := &x.origins[rows[0].origin]
	*b = Batch{
		Now: rows[0].at, Sequence: uint64(max(first.offset, 0)),
		Records: b.Records[:0], Pairs: b.Pairs[:0], Strings: b.Strings[:0], Failed: b.Failed[:0],
	}
	x.values = x.values[:0]
	t.begin()
	size := 0
	for ; n < min(len(rows), MaxRows) && size < maxText; n++ {
		i, r, known := n, &rows[n], len(b.Strings)
		said := &r.way.said
		rec := abi.Record{
			Time: r.at, Name: t.in(b, said.name), First: uint32(len(b.Pairs)), Labels: uint16(len(said.labels)),
			Kind: r.kind, Source: uint32(i),
		}
		for _, l := range said.labels {
			b.Pairs = append(b.Pairs, abi.Pair{Key: t.in(b, l.name), Value: t.in(b, l.value)})
		}
		if rec.Value = r.point.Main(); r.kind == abi.Text {
			n := t.hold(record.Unquote(r.point.Text))
			x.text = append(x.text, n)
			rec.Value = math.Float64frombits(uint64(t.in(b, n)))
		}
		if x.origins[r.origin].replays != nil {
			b.Flags |= abi.Replay
		}
		b.Records, x.values = append(b.Records, rec), append(x.values, rec.Value)
		size += abi.RecordSize + len(said.labels)*abi.PairSize
		for _, s := range b.Strings[known:] {
			size += abi.RefSize + len(s)
		}
	}
	return n
}

// collect finds out what became of the rows that were handed over.
func (w *Worker) collect(ctx context.Context, s *queue, rows []row) error {
	x, b := &w.transit, &w.transit.batch
	x.met = slices.Grow(x.met[:0], len(rows))[:len(rows)]
	clear(x.met)
	for i := range b.Failed {
		f := &b.Failed[i]
		if f.Record < 0 || f.Record >= len(rows) || x.met[f.Record] {
			continue
		}
		x.met[f.Record] = true
		if err := w.fail(ctx, s, &rows[f.Record], f); err != nil {
			return err
		}
	}
	failed := len(b.Failed) > 0
	for i := range b.Records {
		r := &b.Records[i]
		if int(r.Source) >= len(rows) {
			return fmt.Errorf("record %d is made of row %d of %d", i, r.Source, len(rows))
		}
		made := x.met[r.Source]
		if made && failed && slices.ContainsFunc(b.Failed, func(f Failure) bool { return f.Record == int(r.Source) }) {
			continue
		}
		x.met[r.Source] = true
		if err := w.accept(ctx, &rows[r.Source], r, made); err != nil {
			return err
		}
	}
	for i, met := range x.met {
		if !met {
			w.transit.finish(&rows[i], s.transform.Rule, ledger.Dropped)
		}
	}
	return nil
}

// finish ends the sample of a row. One that was made is nobody's sample.
func (x *transit) finish(r *row, rule int32, d ledger.Disposition) {
	if o := &x.origins[r.origin]; !r.made && o.fate == goesOn {
		o.fate, o.rule, o.disposition = ends, rule, d
	}
}

// setAside puts the sample of a row aside with all that came of it: sent again, it
// goes through everything again.
func (x *transit) setAside(r *row, f *program.TransformFailure) {
	o := &x.origins[r.origin]
	o.fate, o.rule, o.failed = setAside, f.Rule, f
}

// fail does with a row that failed what its rule says.
func (w *Worker) fail(ctx context.Context, s *queue, r *row, f *Failure) error {
	x, t := &w.transit, s.transform
	switch t.OnError {
	case program.DropFailed:
		x.finish(r, t.Rule, ledger.Dropped)
	case program.PassFailed:
		l, err := w.ownLink(ctx, r)
		if err != nil {
			return err
		}
		w.goOnward(*r, l)
	case program.StopOnFailed:
		return stopped(t.ID, failureOf(t, f))
	default:
		x.setAside(r, failureOf(t, f))
	}
	return nil
}

// failWide fails the rows that have more labels than a batch may, and takes them out.
func (w *Worker) failWide(ctx context.Context, s *queue) (err error) {
	wide := func(r row) bool {
		n := len(r.way.said.labels)
		if err != nil || n <= MaxLabels {
			return false
		}
		err = w.fail(ctx, s, &r, &Failure{Code: abi.BadBatch.String(), Message: fmt.Sprintf("%d labels; a plugin is given at most %d", n, MaxLabels)})
		return true
	}
	s.rows, s.wide = slices.DeleteFunc(s.rows, wide), false
	return err
}

func failureOf(t *program.Transform, f *Failure) *program.TransformFailure {
	return &program.TransformFailure{
		Rule: t.Rule, Plugin: t.Plugin.Plugin(), OnError: t.OnError,
		TransformError: program.TransformError{Code: f.Code, Message: f.Message},
	}
}

// accept sends a record that came back on its way.
func (w *Worker) accept(ctx context.Context, in *row, r *abi.Record, made bool) error {
	x := &w.transit
	out := row{origin: in.origin, made: made || in.made, point: in.point, kind: r.Kind, at: in.at}
	if made {
		out.at = r.Time
	}
	if was := x.values[r.Source]; r.Kind != in.kind || math.Float64bits(r.Value) != math.Float64bits(was) {
		out.point = x.edited(in, r, was)
	}
	if out.point.Form == record.None {
		x.finish(&out, program.NoRule, ledger.NoValue)
		return nil
	}
	l, err := w.linkOf(ctx, in, r)
	if err != nil {
		return err
	}
	w.goOnward(out, l)
	return nil
}

// goOnward sends a row where a link leads.
func (w *Worker) goOnward(r row, l *link) {
	x := &w.transit
	if l.scale != 1 {
		r.point = x.points.copy(r.point)
		multiply(r.point, l.scale)
	}
	switch {
	case l.product != nil:
		x.results = append(x.results, result{r.origin, r.made, l.product, r.point, r.at})
	case l.onward != nil:
		w.enqueue(l.onward, r)
	case l.disposition == ledger.Quarantined:
		x.setAside(&r, l.failed.TransformFailure)
	default:
		x.finish(&r, l.rule, l.disposition)
	}
}

// edited is the point of a row with the value and kind that a record has. Of a
// histogram everything that has a unit changes by the factor by which its mean did;
// a counter counts whole things.
func (x *transit) edited(in *row, r *abi.Record, was float64) *record.Point {
	p := x.points.copy(in.point)
	p.Values = nil
	v := r.Value
	if r.Kind != in.kind {
		*p = record.Point{Subtask: p.Subtask, Attempt: p.Attempt, Form: record.Number, Hist: record.Hist{Quantiles: p.Hist.Quantiles[:0]}}
		switch r.Kind {
		case abi.Counter:
			p.Form = record.Count
		case abi.Text:
			p.Form = record.Text
		}
	}
	switch p.Form {
	case record.Count:
		p.Count = int64(math.Round(v))
		if !(math.Abs(v) < 1<<63) {
			p.Form = record.None
		}
	case record.Number, record.Rate:
		p.Value = v
	case record.Statistic:
		if factor := v / was; was != 0 && !math.IsInf(factor, 0) && !math.IsNaN(factor) {
			multiply(p, factor)
		}
		p.Hist.Mean = v
	case record.Text:
		quoted := record.AppendString(nil, x.batch.Strings[math.Float64bits(v)&math.MaxUint32])
		p.Text = quoted[1 : len(quoted)-1]
	}
	return p
}

// multiply puts a factor on what has a unit, in place, as scaled does.
func multiply(p *record.Point, factor float64) {
	switch h := &p.Hist; p.Form {
	case record.Number:
		p.Values, p.Value = nil, p.Value*factor
	case record.Statistic:
		p.Values = nil
		h.Min, h.Max, h.Mean, h.Dev = h.Min*factor, h.Max*factor, h.Mean*factor, h.Dev*factor
		for i := range h.Quantiles {
			h.Quantiles[i].Value *= factor
		}
	}
}
