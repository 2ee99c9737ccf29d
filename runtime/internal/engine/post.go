package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strconv"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// post hands the counts since the last one to the book.
func (w *Worker) post() {
	w.postRules()
	w.entry.FastScans, w.entry.SlowScans = w.scanner.Fast, w.scanner.Slow
	w.scanner.Fast, w.scanner.Slow = 0, 0
	w.series.bytes = w.cache.size
	w.entry.SeriesIn = w.series.in - w.posted.in
	w.entry.SeriesOut = w.series.out - w.posted.out
	w.entry.CacheBytes = w.series.bytes - w.posted.bytes
	w.posted = w.series
	w.opts.Book.Post(ledger.Place{Topic: w.partition.Topic, Partition: w.partition.ID}, &w.entry)
	w.entry.Clear()
}

// postRules puts the tallies into the entry, by the names that rules have in the
// generation that counted them.
func (w *Worker) postRules() {
	f := &w.forces
	if f.base == nil {
		return
	}
	w.postTallies(f.base)
	if f.candidate != nil {
		w.postTallies(f.candidate)
	}
	for _, old := range f.past {
		w.postTallies(old)
	}
}

func (w *Worker) postTallies(f *force) {
	if len(f.touched) == 0 {
		return
	}
	if w.entry.Rules == nil {
		w.entry.Rules = map[ledger.Rule]uint64{}
	}
	for _, i := range f.touched {
		t := &f.tallies[i]
		w.entry.Rules[ledger.Rule{ID: string(f.rules[i].Label), Disposition: t.disposition}] += t.n
		t.n = 0
	}
	f.touched = f.touched[:0]
}

// refused takes what a receiver refused out of what is about to count as out. A
// sample that two sinks refuse may count for another one that went out, since they
// do not say which: the sum is never above what was sent.
func (w *Worker) refused() {
	lane, ok := w.lane.(Refuser)
	if !ok {
		return
	}
	var total int64
	lane.Refused(func(sink, reason string, samples int) {
		if w.entry.Refused == nil {
			w.entry.Refused = map[ledger.Refusal]uint64{}
		}
		w.entry.Refused[ledger.Refusal{Sink: cmp.Or(sink, w.opts.Sink), Reason: reason}] += uint64(samples)
		total += int64(samples)
	})
	total = min(total, w.unacked[ledger.Out])
	w.unacked[ledger.Out] -= total
	w.unacked[ledger.Refused] += total
}

// tooLarge makes a dead letter of a message whose processed record is larger
// than Kafka takes, because a policy made its labels longer. Any other cause is
// passed on.
func (w *Worker) tooLarge(ctx context.Context, m *Message, samples int, cause error) error {
	var large interface{ TooLarge() bool }
	if !errors.As(cause, &large) || !large.TooLarge() {
		return cause
	}
	n := int64(samples)
	w.entry.In -= n
	w.entry.By[ledger.InFlight] -= n
	w.unacked[ledger.Out] -= n
	w.pending -= samples
	if k := len(w.lags); k > 0 {
		w.lags[k-1].n -= uint64(samples)
	}
	return w.deadLetter(ctx, m, &record.Error{Reason: record.TooLarge, Detail: cause.Error()})
}

// What a dead letter keeps at most of an unreadable record: with headers, less
// than a record may have that producers and brokers take by default.
const (
	maxLetter    = 900 << 10
	maxLetterKey = 32 << 10
)

// deadLetter puts a message that cannot be read aside, with the reason.
func (w *Worker) deadLetter(ctx context.Context, m *Message, cause error) error {
	var bad *record.Error
	if !errors.As(cause, &bad) {
		return cause
	}
	if w.entry.DeadLetters == nil {
		w.entry.DeadLetters = map[string]uint64{}
	}
	w.entry.DeadLetters[string(bad.Reason)]++
	if w.tapping != nil {
		w.tapLetter(m, string(bad.Reason))
	}
	w.entry.In++
	w.entry.By[ledger.InFlight]++
	w.unacked[ledger.DeadLetter]++
	w.cur.did.DeadLetters++
	w.pending++
	k := &w.pack
	headers := append([]Header{
		{"sluice-reason", []byte(bad.Reason)},
		{"sluice-stage", []byte(w.opts.Name)},
		{"sluice-detail", []byte(bad.Detail)},
		{"sluice-position", strconv.AppendInt(nil, int64(bad.Offset), 10)},
	}, k.header(w.partition, m.Offset, w.cur.revision)...)
	return w.writeLetter(ctx, m, headers, m.Key, m.Value)
}

// writeLetter writes a dead letter of what came with a message.
func (w *Worker) writeLetter(ctx context.Context, m *Message, headers []Header, key, value []byte) error {
	if len(m.Replays) > 0 {
		headers = append(headers, Header{ReplaysHeader, bytes.Clone(m.Replays[:min(len(m.Replays), 20)])})
	}
	if whole := len(value); whole > maxLetter {
		value = value[:maxLetter]
		headers = append(headers, Header{"sluice-truncated", strconv.AppendInt(nil, int64(whole), 10)})
	}
	k := &w.pack
	key = key[:min(len(key), maxLetterKey)]
	return w.letters.Write(ctx, Outgoing{
		Topic: w.opts.LetterTopic, Partition: w.partition.ID, Headers: headers,
		Key:   k.buf.end(append(k.buf.begin(len(key)), key...)),
		Value: k.buf.end(append(k.buf.begin(len(value)), value...)),
	})
}
