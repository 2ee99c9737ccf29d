package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
)

// endMark is where a log ended at a time. Age is told by these and not by the
// records' own timestamps, which are whatever a producer said.
type endMark struct {
	at  time.Time
	end int64
}

// logID names a log for as long as there is one: a topic that is made again under the
// same name has others.
type logID struct {
	topic     kadm.TopicID
	partition int32
}

func (e *Embedded) trimForEver(ctx context.Context) {
	tick := time.NewTicker(e.opts.TrimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := e.Trim(ctx); err != nil && ctx.Err() == nil {
			e.opts.Log.Warn("embedded broker: trimming", "error", err)
		}
	}
}

// Trim deletes what every group has committed and what is older than Retention.
// Groups without a member, and topics without a group, hold data for Unread. It
// always leaves the last batch of a partition: without one, the broker would begin
// its offsets at 0 again after a restart, below what groups have committed. Age
// counts from the first Trim that saw the data. A compacted topic is left alone: it
// is what it says now, however old. It runs every TrimEvery by itself.
func (e *Embedded) Trim(ctx context.Context) error {
	e.trimming.Lock()
	defer e.trimming.Unlock()
	if e.closed {
		return errors.New("closed")
	}
	topics, err := e.adm.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	groups, err := e.groups(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	var errs []error
	before := e.marks
	e.marks = make(map[logID][]endMark, len(before))
	for topic, about := range topics {
		if e.compacted(topic) {
			continue
		}
		for _, p := range e.cluster.PartitionInfos(topic) {
			log := logID{about.ID, p.Partition}
			e.marks[log] = e.mark(before[log], now, p.HighWatermark)
			to := min(e.deletable(topicPartition{topic, p.Partition}, e.marks[log], now, groups), p.HighWatermark-1)
			if to <= p.LogStartOffset {
				continue
			}
			if err := e.cluster.DeleteRecords(topic, p.Partition, to); err != nil {
				errs = append(errs, fmt.Errorf("topic %s, partition %d: %w", topic, p.Partition, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (e *Embedded) compacted(topic string) bool {
	info := e.cluster.TopicInfo(topic)
	if info == nil {
		return false
	}
	policy := info.Configs["cleanup.policy"]
	return policy != nil && *policy == "compact"
}

func (e *Embedded) groups(ctx context.Context) ([]*kfake.GroupInfo, error) {
	listed, err := e.adm.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	var groups []*kfake.GroupInfo
	for _, name := range listed.Groups() {
		if g := e.cluster.GroupInfo(name); g != nil {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// deletable returns the offset before which nobody needs the partition.
func (e *Embedded) deletable(key topicPartition, marks []endMark, now time.Time, groups []*kfake.GroupInfo) int64 {
	read, forgotten := endAt(marks, now.Add(-e.opts.Retention)), endAt(marks, now.Add(-e.opts.Unread))
	to, held := read, false
	for _, g := range groups {
		if !consumes(g, key.topic) {
			continue
		}
		held = true
		committed := g.Commits[key.topic][key.id].Offset // 0 when there is none
		if len(g.Members) == 0 {
			committed = max(committed, forgotten)
		}
		to = min(to, committed)
	}
	if !held {
		return forgotten
	}
	return to
}

func consumes(g *kfake.GroupInfo, topic string) bool {
	if g.Commits[topic] != nil {
		return true
	}
	return slices.ContainsFunc(g.Members, func(m kfake.GroupMember) bool {
		return slices.Contains(m.SubscribedTopics, topic) || m.Assignment[topic] != nil
	})
}

// mark adds where a log ends to its marks, without those older than anyone asks for.
func (e *Embedded) mark(marks []endMark, now time.Time, end int64) []endMark {
	if n := len(marks); n == 0 || marks[n-1].end != end {
		marks = append(marks, endMark{now, end})
	}
	oldest := now.Add(-max(e.opts.Unread, e.opts.Retention))
	for len(marks) > 1 && !marks[1].at.After(oldest) {
		marks = marks[1:]
	}
	return marks
}

// endAt returns where a log with these marks ended at a time, 0 if that is not known.
func endAt(marks []endMark, at time.Time) int64 {
	var end int64
	for _, m := range marks {
		if m.at.After(at) {
			break
		}
		end = m.end
	}
	return end
}
