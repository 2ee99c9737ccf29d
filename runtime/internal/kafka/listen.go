package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// readPatience is how long ReadSince waits for a record that is there.
const readPatience = 30 * time.Second

// ReadSince visits the values of the records that topics got since a time and
// until the call, by the clock of who wrote them, in the order of offsets within a
// partition. It is no member of a group and commits nothing. It keeps no value; a
// visitor's error ends it. A topic that does not exist is an error.
func ReadSince(ctx context.Context, config Config, since time.Time, topics []string, visit func(value []byte) error) error {
	admin, err := NewAdmin(config)
	if err != nil {
		return err
	}
	defer admin.Close()
	from, to, err := admin.between(ctx, since, topics)
	if err != nil || len(to) == 0 {
		return err
	}
	opts, err := config.options()
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(opts, kgo.ConsumePartitions(from), kgo.KeepControlRecords())...)
	if err != nil {
		return fmt.Errorf("kafka reader: %w", err)
	}
	defer cl.Close()
	for len(to) > 0 {
		patience, cancel := context.WithTimeout(ctx, readPatience)
		fetched := cl.PollFetches(patience)
		cancel()
		if err := fetched.Err0(); err != nil {
			return fmt.Errorf("reading topics: %w", err)
		}
		for _, f := range fetched.Errors() {
			return fmt.Errorf("reading %s/%d: %w", f.Topic, f.Partition, f.Err)
		}
		for records := fetched.RecordIter(); !records.Done(); {
			r := records.Next()
			at := topicPartition{r.Topic, r.Partition}
			end, wanted := to[at]
			if !wanted {
				continue
			}
			if r.Offset < end && !r.Attrs.IsControl() {
				if err := visit(r.Value); err != nil {
					return err
				}
			}
			if r.Offset >= end-1 {
				delete(to, at)
			}
		}
	}
	return nil
}

// between returns where to begin and where to end, for the partitions that have
// records in between.
func (a *Admin) between(ctx context.Context, since time.Time, topics []string) (map[string]map[int32]kgo.Offset, map[topicPartition]int64, error) {
	ends, err := a.EndOffsets(ctx, topics...)
	if err != nil {
		return nil, nil, err
	}
	starts, err := a.cl.ListOffsetsAfterMilli(ctx, since.UnixMilli(), topics...)
	if err != nil {
		return nil, nil, a.config.unreachable(err)
	}
	from, to := map[string]map[int32]kgo.Offset{}, map[topicPartition]int64{}
	for topic, partitions := range ends {
		from[topic] = map[int32]kgo.Offset{}
		for id, end := range partitions {
			start, ok := starts.Lookup(topic, id)
			if start.Err != nil {
				return nil, nil, fmt.Errorf("start of %s/%d: %w", topic, id, start.Err)
			} else if !ok {
				return nil, nil, fmt.Errorf("start of %s/%d: the broker does not answer for this partition", topic, id)
			}
			if start.Offset >= 0 && start.Offset < end {
				from[topic][id], to[topicPartition{topic, id}] = kgo.NewOffset().At(start.Offset), end
			}
		}
	}
	return from, to, nil
}
