package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// Headers of the dead letter of a sample that a transform failed for, beside those
// that every letter has. The reason is letterReason and the plugin's code.
const (
	letterReason = "plugin-"
	letterPlugin = "sluice-plugin" // digest
	letterRule   = "sluice-rule"
)

// retryAfter is when a series is decided about again for which a transform failed
// that may work the next time, in milliseconds.
const retryAfter = 1000

// failed is what a series remembers of the transform that failed for it.
type failed struct {
	*program.TransformFailure
	retry int64 // Unix ms from which on it is tried again; 0: only by another program
}

// setFailed remembers the failure of a new verdict, or that there is none. The error
// is that of a transform that stops the partition.
func (w *Worker) setFailed(e *series, f *program.TransformFailure) error {
	x, err := w.failedBy(f)
	if x != w.cache.rare(e).failed {
		w.cache.own(e).failed = x
	}
	return err
}

// failedBy is what is remembered of a failure; nil: there is none.
func (w *Worker) failedBy(f *program.TransformFailure) (*failed, error) {
	if f == nil {
		return nil, nil
	}
	if f.OnError == program.StopOnFailed {
		return nil, stopped(w.cur.rules[f.Rule].ID, f)
	}
	x := &failed{TransformFailure: f}
	if f.Transient {
		x.retry = w.now + retryAfter
	}
	return x, nil
}

func (f *failed) due(now int64) bool { return f.retry != 0 && now >= f.retry }

// stopped says why a partition is not read on.
func stopped(rule program.RuleID, f *program.TransformFailure) error {
	return fmt.Errorf("transform %s stops the partition, as its onError says: plugin %s %s: %w",
		rule, f.Plugin.Name, f.Plugin.Version, &f.TransformError)
}

// quarantine puts one sample aside that a transform failed for: a dead letter of a
// record, as reported, with that point alone, so that it can be sent again. m is the
// message that it came with, of which Offset and Replays are looked at.
func (w *Worker) quarantine(ctx context.Context, sl *slot, e *series, p *record.Point, at int64, m *Message, f *program.TransformFailure) error {
	if p.Form == record.None {
		w.entry.By[ledger.NoValue]++
		return nil
	}
	w.count(f.Rule, ledger.Quarantined)
	w.entry.By[ledger.Quarantined]--
	w.entry.By[ledger.InFlight]++
	w.unacked[ledger.Quarantined]++
	w.pending++
	w.cur.did.DeadLetters++
	n, src, k := w.cache.name(sl), w.cache.source(sl), &w.pack
	reason := letterReason + f.Code
	if w.entry.DeadLetters == nil {
		w.entry.DeadLetters = map[string]uint64{}
	}
	w.entry.DeadLetters[reason]++
	headers := append([]Header{
		{"sluice-reason", []byte(reason)},
		{"sluice-stage", []byte(w.opts.Name)},
		{"sluice-detail", []byte(fmt.Sprintf("plugin %s %s: %s", f.Plugin.Name, f.Plugin.Version, f.Message))},
		{letterRule, []byte(w.cur.rules[f.Rule].Label)},
		{letterPlugin, []byte(f.Plugin.Digest)},
	}, k.header(w.partition, m.Offset, w.cur.revision)...)
	key := slices.Concat(src.task(), []byte{0}, n.metric)
	return w.writeLetter(ctx, m, headers, key, w.alone(nil, sl, e, p, at))
}

// alone writes one point of a series as a record of its own, as it was reported.
func (w *Worker) alone(buf []byte, sl *slot, e *series, p *record.Point, at int64) []byte {
	n, src := w.cache.name(sl), w.cache.source(sl)
	raw := func(key string, value []byte) {
		if value != nil {
			buf = append(append(append(buf, key...), value...), '"')
		}
	}
	buf = record.AppendStamp(record.AppendHead(buf, record.Unquote(src.task())), at, nil, -1, -1)
	raw(`,"origin":"`, n.origin)
	raw(`,"scope":"`, n.scope)
	raw(`,"metric":"`, n.metric)
	raw(`,"type":"`, n.typ)
	if labels := src.written(); labels != nil {
		buf = append(append(buf, `,"labels":`...), labels...)
	}
	if len(n.to) > 0 {
		buf = append(append(buf, `,"to":`...), n.to...)
	}
	buf = append(buf, record.PartPoints...)
	key := record.AppendPointKey(nil, p.Subtask, p.Attempt, nil)
	if labels := w.cache.rare(e).labels; len(labels) > 0 {
		if len(key) > 1 {
			key = append(key, ',')
		}
		key = append(append(key, `"l":`...), labels...)
	}
	return append(record.AppendPoint(buf, key, n.kind, p), record.PartClose...)
}
