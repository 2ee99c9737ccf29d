package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrDenied is in the errors of TopicState and GroupState when this user has no right to ask.
var ErrDenied = errors.New("no right to ask")

// denied marks an error that is about rights.
func denied(err error) error {
	if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}

// ClusterState is what the brokers tell of themselves and of the topics asked for.
type ClusterState struct {
	Brokers   int
	Version   string // a guess, such as "v3.9"; "" when nothing tells
	MayCreate bool   // topics, by a right on the cluster; there may be one on names
	Topics    map[string]TopicState
}

// TopicState is what the brokers tell of one topic.
type TopicState struct {
	Err        error // why nothing is known; nil with no Partitions: there is no such topic
	Partitions int
	Replicas   int               // of the partition that has fewest
	Leaderless int               // partitions that nobody can write or read
	Behind     int               // partitions with replicas that are not in sync
	Rights     []string          // of this user, such as READ; nil: the brokers do not tell
	Settings   map[string]string // in Kafka's terms; nil: they may not be read
	Newest     time.Time         // the latest time that a record has; zero: not known
}

// GroupState is what the brokers tell of one consumer group.
type GroupState struct {
	Err     error    // why nothing is known
	State   string   // Kafka's word, such as Stable, Empty, Dead
	Members int      // of the group now
	Rights  []string // of this user, such as READ; nil: the brokers do not tell
	Lag     int64    // records that wait, in partitions that have been read before
	Lost    int64    // records that were deleted before the group read them
}

// Inspect asks for the state of the cluster and of some topics, one by one: a topic
// that cannot be asked about has the reason. An error is about all of them. It
// changes nothing.
func (a *Admin) Inspect(ctx context.Context, topics ...string) (*ClusterState, error) {
	ctx = kadm.WithAuthorizedOps(ctx)
	meta, err := a.cl.BrokerMetadata(ctx)
	if err != nil {
		return nil, a.config.unreachable(err)
	}
	s := &ClusterState{
		Brokers: len(meta.Brokers), MayCreate: slices.Contains(rights(meta.AuthorizedOperations), "CREATE"), Topics: map[string]TopicState{},
	}
	if versions, err := a.cl.ApiVersions(ctx); err == nil {
		versions.Each(func(v kadm.BrokerApiVersions) {
			if v.Err == nil {
				s.Version = v.VersionGuess()
			}
		})
	}
	for _, name := range topics {
		meta, err := a.cl.Metadata(ctx, name)
		if err != nil {
			s.Topics[name] = TopicState{Err: denied(err)}
			continue
		}
		t := topicState(meta.Topics[name])
		if t.Partitions > 0 {
			t.Settings, t.Newest = a.settings(ctx, name), a.newest(ctx, name)
		}
		s.Topics[name] = t
	}
	return s, nil
}

func topicState(d kadm.TopicDetail) TopicState {
	t := TopicState{Err: denied(d.Err), Partitions: len(d.Partitions), Rights: rights(d.AuthorizedOperations)}
	if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
		return TopicState{}
	}
	for _, p := range d.Partitions {
		if t.Replicas == 0 || len(p.Replicas) < t.Replicas {
			t.Replicas = len(p.Replicas)
		}
		if p.Leader < 0 || errors.Is(p.Err, kerr.LeaderNotAvailable) {
			t.Leaderless++
		}
		if len(p.ISR) < len(p.Replicas) {
			t.Behind++
		}
	}
	return t
}

// settings returns nil when they may not be read.
func (a *Admin) settings(ctx context.Context, topic string) map[string]string {
	configs, err := a.cl.DescribeTopicConfigs(ctx, topic)
	if err != nil || len(configs) != 1 || configs[0].Err != nil {
		return nil
	}
	all := make(map[string]string, len(configs[0].Configs))
	for _, c := range configs[0].Configs {
		all[c.Key] = c.MaybeValue()
	}
	return all
}

func (a *Admin) newest(ctx context.Context, topic string) (newest time.Time) {
	listed, err := a.cl.ListMaxTimestampOffsets(ctx, topic)
	if err != nil {
		return newest
	}
	listed.Each(func(o kadm.ListedOffset) {
		if at := time.UnixMilli(o.Timestamp); o.Err == nil && o.Timestamp > 0 && at.After(newest) {
			newest = at
		}
	})
	return newest
}

// Group asks for the state of a consumer group. It changes nothing.
func (a *Admin) Group(ctx context.Context, name string) GroupState {
	described, err := a.cl.DescribeGroups(ctx, name)
	d := described[name]
	if err := errors.Join(err, d.Err); errors.Is(err, kerr.GroupIDNotFound) {
		return GroupState{State: "Dead"} // which is what older brokers say
	} else if err != nil {
		return GroupState{Err: denied(err)}
	}
	g := GroupState{State: d.State, Members: len(d.Members), Rights: rights(d.AuthorizedOperations)}
	lags, err := a.cl.Lag(ctx, name)
	l := lags[name]
	if g.Err = denied(errors.Join(err, l.DescribeErr, l.FetchErr)); g.Err != nil {
		return g
	}
	for _, p := range l.Lag.Sorted() {
		if p.Err != nil || p.Commit.At < 0 {
			continue
		}
		g.Lag += max(p.Lag, 0)
		if p.Start.Err == nil {
			g.Lost += max(p.Start.Offset-p.Commit.At, 0)
		}
	}
	return g
}

func rights(ops []kadm.ACLOperation) []string {
	var out []string
	for _, o := range ops {
		out = append(out, strings.ToUpper(o.String()))
	}
	return out
}
