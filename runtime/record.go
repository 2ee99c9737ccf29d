package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

// Bounds of recorded traffic.
const (
	MaxTrafficSince = time.Hour        // that an instance is asked for
	TrafficSince    = 10 * time.Minute // unless somebody says otherwise

	maxTrafficRequests = 2         // at a time
	recordBytes        = 512 << 20 // that RecordTopics takes at most: about a million series
)

// Traffic writes the series that came to this instance of late, and how much of
// each, as a file of traffic: those of the streams, of the time until now, at most
// limit of them (0: all). Series that an instance has forgotten are not in it: one
// forgets a series that is silent for five minutes, or for three of its intervals.
// What is counted covers the last 10 to 20 minutes. No batch waits longer than a
// millisecond for it, and memory does not grow with the number of series.
//
// Errors: ErrNotReady before the streams are open, ErrBusy when others ask.
func (r *Runtime) Traffic(ctx context.Context, w io.Writer, since time.Duration, limit uint64) error {
	if r.recording.Add(1) > maxTrafficRequests {
		r.recording.Add(-1)
		return fmt.Errorf("%w: %d recordings of traffic at a time", ErrBusy, maxTrafficRequests)
	}
	defer r.recording.Add(-1)
	streams := r.hops(&r.streams)
	if len(streams) == 0 {
		return fmt.Errorf("%w: no stream is open here", ErrNotReady)
	}
	now := time.Now().UTC()
	out, err := traffic.NewWriter(w, traffic.Header{
		Version: r.opts.Version, From: now.Add(-min(since, time.Since(r.started))), To: now, Sources: []string{r.name}, Revision: r.rev.Load().digest,
	}, nil)
	if err != nil {
		return err
	}
	leftOut := uint64(0)
	for _, h := range streams {
		err := h.engine.Live(ctx, since, func(l *engine.Live) error {
			if limit > 0 && out.Series() == limit {
				leftOut += l.Samples
				return nil
			}
			return out.Write(&traffic.Series{Load: l.Load, Scope: l.Scope, Metric: l.Metric, Seen: l.Seen})
		})
		if err != nil {
			return err
		}
	}
	return out.Close(leftOut)
}

// RecordOptions say what is written.
type RecordOptions struct {
	Version    string   // of this program
	HashLabels []string // labels whose values are replaced by digests
}

// Recorded counts what was written.
type Recorded struct {
	Series   uint64
	Samples  uint64
	LeftOut  uint64 // samples of series that found no room
	From, To time.Time

	// Unreadable of the records cannot be read by an instance either.
	Unreadable uint64
}

// TrafficSource is a file of traffic, or of plain records, as one reads it.
type TrafficSource struct {
	Name string
	In   io.Reader
}

// Record writes the traffic of several sources, such as the instances of a fleet,
// into one file. Series that two sources have are in it twice. The error is
// ErrRejected for a source that cannot be read.
func Record(w io.Writer, from []TrafficSource, opts RecordOptions) (Recorded, error) {
	known, err := loadCatalogue()
	if err != nil {
		return Recorded{}, err
	}
	head := traffic.Header{Version: opts.Version}
	readers := make([]*traffic.Reader, len(from))
	for i, s := range from {
		plain, err := traffic.Unpack(s.In)
		if err != nil {
			return Recorded{}, fmt.Errorf("%s: %w", s.Name, err)
		}
		defer plain.Close()
		if readers[i], err = traffic.Open(plain, known.Origin); err != nil {
			return Recorded{}, traffic.Wrong(s.Name, err)
		}
		head = joined(head, readers[i].Header(), s.Name, i == 0)
	}
	done := Recorded{From: head.From, To: head.To}
	out, err := newTrafficFile(w, head, opts)
	if err != nil {
		return Recorded{}, err
	}
	for i, r := range readers {
		err := r.Each(func(s *traffic.Series) error {
			done.Samples += s.Samples
			return out.Write(s)
		})
		if err != nil {
			return Recorded{}, traffic.Wrong(from[i].Name, err)
		}
		done.LeftOut += r.LeftOut()
		done.Unreadable += r.Unreadable()
	}
	done.Series = out.Series()
	return done, out.Close(done.LeftOut)
}

// joined adds what one more source says of itself.
func joined(all, one traffic.Header, name string, first bool) traffic.Header {
	all.Sources = append(all.Sources, name)
	all.Hashed = append(all.Hashed, one.Hashed...)
	if first {
		all.From, all.To, all.Revision = one.From, one.To, one.Revision
		return all
	}
	if one.From.Before(all.From) {
		all.From = one.From
	}
	if one.To.After(all.To) {
		all.To = one.To
	}
	if one.Revision != all.Revision {
		all.Revision = "" // they do not run the same
	}
	return all
}

// newTrafficFile begins a file, with digests that are those of this file alone.
func newTrafficFile(w io.Writer, head traffic.Header, opts RecordOptions) (*traffic.Writer, error) {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return traffic.NewWriter(w, head, traffic.NewHash(opts.HashLabels, key))
}

// RecordTopics writes the traffic that topics got in the time until now, as far as
// their logs hold it. It joins no group and commits nothing. Errors: ErrConfig,
// ErrUnreachable.
func RecordTopics(ctx context.Context, w io.Writer, cfg Config, topics []string, since time.Duration, opts RecordOptions) (Recorded, error) {
	conf, err := cfg.kafka(nil)
	if err != nil {
		return Recorded{}, err
	}
	known, err := loadCatalogue()
	if err != nil {
		return Recorded{}, err
	}
	now := time.Now().UTC()
	c := traffic.NewCollector(known.Origin, recordBytes)
	err = kafka.ReadSince(ctx, conf, now.Add(-since), topics, func(value []byte) error {
		_ = c.Add(value) // a record that cannot be read is counted, and left out
		return nil
	})
	if err != nil {
		return Recorded{}, errors.Join(fmt.Errorf("%w: %w", ErrUnreachable, err), ctx.Err())
	}
	head := traffic.Header{Version: opts.Version, Sources: []string{"topics " + strings.Join(topics, ", ")}}
	if head.From, head.To = c.Times(); head.From.IsZero() {
		head.From, head.To = now.Add(-since), now
	}
	out, err := newTrafficFile(w, head, opts)
	if err != nil {
		return Recorded{}, err
	}
	done := Recorded{LeftOut: c.LeftOut(), Unreadable: c.Unreadable(), From: head.From, To: head.To}
	err = c.Each(func(s *traffic.Series) error {
		done.Samples += s.Samples
		return out.Write(s)
	})
	done.Series = out.Series()
	return done, errors.Join(err, out.Close(done.LeftOut))
}
