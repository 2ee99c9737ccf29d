package kafka

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	controlPatience = 10 * time.Second // for reading a control topic, which is small
	controlBytes    = 8 << 20          // of one value, before compression
)

// PutControl makes value the latest one of a key on a compacted topic of one
// partition, and reports whether it had to write it: a value that is there
// already is not written again. The topic is made if it is missing; one that
// exists is taken as it is. Errors are those of an operator: no rights, no
// broker, a value too large for the topic.
func PutControl(ctx context.Context, config Config, topic, key string, value []byte) (wrote bool, err error) {
	admin, err := NewAdmin(config)
	if err != nil {
		return false, err
	}
	defer admin.Close()
	wanted := Topic{Name: topic, Partitions: 1, Config: map[string]string{"cleanup.policy": "compact"}}
	if err := admin.EnsureTopics(ctx, wanted); err != nil {
		return false, err
	}
	// Who cannot read it to the end writes: on a compacted topic that costs little.
	if there, err := latest(ctx, admin.cl, config, topic, key); err == nil && there != nil && bytes.Equal(there, value) {
		return false, nil
	}
	producer, err := newProducer(config, ProducerOptions{RecordBytes: controlBytes}.withDefaults(), kgo.ManualPartitioner())
	if err != nil {
		return false, err
	}
	defer producer.Close()
	record := &kgo.Record{Topic: topic, Key: []byte(key), Value: value}
	if err := producer.ProduceSync(ctx, record).FirstErr(); err != nil {
		return false, refused(record, err)
	}
	return true, nil
}

// latest returns the newest value of a key in partition 0, nil when there is none.
func latest(ctx context.Context, admin *kadm.Client, config Config, topic, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, controlPatience)
	defer cancel()
	from, err := edge(ctx, admin.ListStartOffsets, topic)
	if err != nil {
		return nil, err
	}
	to, err := edge(ctx, admin.ListEndOffsets, topic)
	if err != nil || from >= to {
		return nil, err
	}
	opts, err := config.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(from)}}))...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var value []byte
	for from < to {
		fetched := cl.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			return nil, err
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if from = r.Offset + 1; string(r.Key) == key {
				value = r.Value
			}
		})
	}
	return value, nil
}

// edge returns the first or the last offset of partition 0.
func edge(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error), topic string) (int64, error) {
	listed, err := list(ctx, topic)
	if err != nil {
		return 0, err
	}
	at, ok := listed.Lookup(topic, 0)
	if !ok {
		return 0, fmt.Errorf("topic %s has no partition 0", topic)
	}
	return at.Offset, at.Err
}
