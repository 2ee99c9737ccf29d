package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// Stored is a record as a topic holds it.
type Stored struct {
	Partition  int32
	Offset     int64
	Time       time.Time
	Key, Value []byte
	Headers    []engine.Header
}

// Header returns the last header of a name, "" when there is none.
func (s *Stored) Header(name string) string {
	for i := len(s.Headers) - 1; i >= 0; i-- {
		if s.Headers[i].Key == name {
			return string(s.Headers[i].Value)
		}
	}
	return ""
}

// Range is a part of a partition: offsets from From up to To, without To.
type Range struct{ From, To int64 }

// Ranges returns what each partition of a topic holds.
func (a *Admin) Ranges(ctx context.Context, topic string) (map[int32]Range, error) {
	starts, err := a.cl.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, a.config.unreachable(err)
	}
	ends, err := a.cl.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, a.config.unreachable(err)
	}
	out := map[int32]Range{}
	for id, start := range starts[topic] {
		end, ok := ends.Lookup(topic, id)
		if !ok || start.Err != nil || end.Err != nil {
			return nil, fmt.Errorf("topic %s, partition %d: its range is not known", topic, id)
		}
		out[id] = Range{start.Offset, end.Offset}
	}
	return out, nil
}

// ReadRanges visits the records of parts of a topic, by partition in the order of
// their offsets. It joins no group and commits nothing. An error of visit ends it.
func ReadRanges(ctx context.Context, config Config, topic string, parts map[int32]Range, visit func(*Stored) error) error {
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for id, r := range parts {
		if r.From < r.To {
			from[id], left[id] = kgo.NewOffset().At(r.From), r.To
		}
	}
	if len(left) == 0 {
		return nil
	}
	opts, err := config.options()
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.KeepControlRecords())...)
	if err != nil {
		return fmt.Errorf("kafka reader: %w", err)
	}
	defer cl.Close()
	for len(left) > 0 {
		patience, cancel := context.WithTimeout(ctx, readPatience)
		fetched := cl.PollFetches(patience)
		cancel()
		for _, f := range fetched.Errors() {
			return fmt.Errorf("reading %s: %w", topic, f.Err)
		}
		for records := fetched.RecordIter(); !records.Done(); {
			r := records.Next()
			end, wanted := left[r.Partition]
			if wanted && r.Offset < end && !r.Attrs.IsControl() {
				if err := visit(stored(r)); err != nil {
					return err
				}
			}
			if wanted && r.Offset >= end-1 {
				delete(left, r.Partition)
			}
		}
	}
	return nil
}

func stored(r *kgo.Record) *Stored {
	s := &Stored{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		s.Headers = append(s.Headers, engine.Header{Key: h.Key, Value: h.Value})
	}
	return s
}
