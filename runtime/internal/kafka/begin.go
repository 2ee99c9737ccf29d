package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// BeginGroup gives a consumer group that has never committed anything its place in
// topics: the first records that are not older than at. A group that has a place in
// any of them keeps what it has. Members must not have joined a group without a place.
func (a *Admin) BeginGroup(ctx context.Context, group string, at time.Time, topics ...string) error {
	known, err := a.hasPlace(ctx, group, topics)
	if err != nil || known || len(topics) == 0 {
		return err
	}
	listed, err := a.cl.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topics...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return fmt.Errorf("consumer group %s: offsets: %w", group, denied(a.config.unreachable(err)))
	}
	if err = a.cl.CommitAllOffsets(ctx, group, listed.Offsets()); err == nil {
		return nil
	}
	if known, _ := a.hasPlace(ctx, group, topics); known { // another instance was first, and has members
		return nil
	}
	return fmt.Errorf("consumer group %s: commit: %w", group, denied(err))
}

// MovePlace has a consumer group go on in topics where another one stands, unless it
// stands as far itself. It must not have members then; the error says so.
func (a *Admin) MovePlace(ctx context.Context, from, to string, topics ...string) error {
	ahead, err := a.ahead(ctx, from, to, topics)
	if err != nil || len(ahead) == 0 {
		return err
	}
	if err = a.cl.CommitAllOffsets(ctx, to, ahead); err == nil {
		return nil
	}
	if ahead, lost := a.ahead(ctx, from, to, topics); lost == nil && len(ahead) == 0 { // another instance was first, and has members
		return nil
	}
	return fmt.Errorf("consumer group %s: commit: %w", to, denied(err))
}

// ahead returns the places of a consumer group where another one has none, or stands
// less far.
func (a *Admin) ahead(ctx context.Context, group, other string, topics []string) (kadm.Offsets, error) {
	at, err := a.places(ctx, group, topics)
	if err != nil || len(at) == 0 {
		return nil, err
	}
	had, err := a.places(ctx, other, topics)
	at.KeepFunc(func(o kadm.Offset) bool { mine, ok := had.Lookup(o.Topic, o.Partition); return !ok || mine.At < o.At })
	return at, err
}

// ReadBefore returns, by group, the topics that other consumer groups read, or have read
// further than this one. It asks for those whose name begins as prefix says.
func (a *Admin) ReadBefore(ctx context.Context, prefix, group string, topics ...string) (map[string][]string, error) {
	listed, err := a.cl.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("consumer groups: %w", a.config.unreachable(err))
	}
	others := slices.DeleteFunc(listed.Groups(), func(name string) bool { return name == group || !strings.HasPrefix(name, prefix) })
	if len(others) == 0 {
		return nil, nil
	}
	described, err := a.cl.DescribeGroups(ctx, others...)
	if err != nil {
		return nil, fmt.Errorf("consumer groups: %w", a.config.unreachable(err))
	}
	before := map[string][]string{}
	for _, name := range others {
		if err := described[name].Err; err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, fmt.Errorf("consumer group %s: %w", name, denied(err)) // not one that nobody is in
		}
		at, err := a.places(ctx, name, topics)
		if err != nil {
			return nil, err
		}
		ahead, err := a.ahead(ctx, name, group, topics)
		if err != nil {
			return nil, err
		}
		for _, topic := range topics {
			reads := slices.Contains(described[name].JoinTopics(), topic)
			if reads || len(ahead[topic]) > 0 || len(at[topic]) > 0 && rebalances(described[name]) {
				before[name] = append(before[name], topic)
			}
		}
	}
	return before, nil
}

// rebalances says that brokers do not tell now what the members of a group consume.
func rebalances(d kadm.DescribedGroup) bool { return len(d.Members) > 0 && d.State != "Stable" }

// Reads reports whether a member of a consumer group consumes one of topics, or may,
// while the group rebalances.
func (a *Admin) Reads(ctx context.Context, group string, topics ...string) (bool, error) {
	described, err := a.cl.DescribeGroups(ctx, group)
	d := described[group]
	if err := errors.Join(err, d.Err); errors.Is(err, kerr.GroupIDNotFound) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("consumer group %s: %w", group, denied(a.config.unreachable(err)))
	}
	return rebalances(d) || slices.ContainsFunc(d.JoinTopics(), func(topic string) bool { return slices.Contains(topics, topic) }), nil
}

func (a *Admin) hasPlace(ctx context.Context, group string, topics []string) (bool, error) {
	at, err := a.places(ctx, group, topics)
	return len(at) > 0, err
}

// places are what a group has committed in topics.
func (a *Admin) places(ctx context.Context, group string, topics []string) (kadm.Offsets, error) {
	at, err := a.allPlaces(ctx, group)
	at.KeepFunc(func(o kadm.Offset) bool { return slices.Contains(topics, o.Topic) })
	return at, err
}

func (a *Admin) allPlaces(ctx context.Context, group string) (kadm.Offsets, error) {
	fetched, err := a.cl.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err == nil {
		err = fetched.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("consumer group %s: %w", group, denied(a.config.unreachable(err)))
	}
	at := kadm.Offsets{}
	fetched.Each(func(o kadm.OffsetResponse) {
		if o.At >= 0 {
			at.Add(o.Offset)
		}
	})
	return at, nil
}

// Passed reports whether a consumer group has committed everything before ends, by topic
// and partition.
func (a *Admin) Passed(ctx context.Context, group string, ends map[string]map[int32]int64) (bool, error) {
	at, err := a.allPlaces(ctx, group)
	if err != nil {
		return false, err
	}
	for topic, partitions := range ends {
		for id, end := range partitions {
			if at[topic][id].At < end {
				return false, nil
			}
		}
	}
	return true, nil
}

// Unread returns those topics in which records wait for a consumer group, of the ones
// it has a place in and of others that are named. Where a partition is new to the group
// all its records wait; a topic that does not exist has none.
func (a *Admin) Unread(ctx context.Context, group string, others ...string) ([]string, error) {
	at, err := a.allPlaces(ctx, group)
	topics := slices.AppendSeq(slices.Clone(others), maps.Keys(at))
	if err != nil || len(topics) == 0 {
		return nil, err
	}
	starts, err := a.cl.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("consumer group %s: offsets: %w", group, denied(a.config.unreachable(err)))
	}
	ends, err := a.cl.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("consumer group %s: offsets: %w", group, denied(a.config.unreachable(err)))
	}
	var unread []string
	for topic, partitions := range ends {
		for id, end := range partitions {
			start := starts[topic][id]
			err := cmp.Or(end.Err, start.Err)
			place, _ := at.Lookup(topic, id)
			switch {
			case errors.Is(err, kerr.UnknownTopicOrPartition):
			case err != nil:
				return nil, fmt.Errorf("topic %s, partition %d: offsets: %w", topic, id, denied(err))
			case max(place.At, start.Offset) < end.Offset:
				unread = append(unread, topic)
			}
		}
	}
	slices.Sort(unread)
	return slices.Compact(unread), nil
}
