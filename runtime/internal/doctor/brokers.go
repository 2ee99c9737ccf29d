package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

const (
	reachTime    = 6 * time.Second // until brokers have answered once
	clockApart   = 2 * time.Second
	metadataRead = "check that the user may describe topics and groups"
)

// Brokers are a Kafka cluster, and what an instance has there.
type Brokers struct {
	Config kafka.Config
	Uses   map[string]Use // topics, by name
	Groups []string       // consumer groups, none with NoSet

	NoSet  bool  // no policy set runs, so that Uses is the control topic only
	Unread error // why the control topic cannot be read; nil: it can, or nobody tried
}

// Look asks the brokers.
func (b *Brokers) Look(ctx context.Context, f *Findings) {
	admin, err := kafka.NewAdmin(b.Config)
	if err != nil {
		f.Fail("broker", "mend the setting", "%v", err)
		return
	}
	defer admin.Close()
	reach, reached := context.WithTimeout(ctx, reachTime)
	began := time.Now()
	_, err = admin.Topics(reach)
	reached()
	if err != nil {
		seen, do := b.Config.Diagnose(ctx, err)
		f.Fail("broker", do, "%s", seen)
		return
	}
	took := time.Since(began).Round(time.Millisecond)
	state, err := admin.Inspect(ctx, slices.Collect(maps.Keys(b.Uses))...)
	if err != nil {
		f.Fail("broker", metadataRead, "%v", err)
		return
	}
	f.OK("broker", "%s: %s, %s, answers after %v", strings.Join(b.Config.Brokers, ","), diag.Number(state.Brokers, "broker"), cmp.Or(state.Version, "version not known"), took)
	if b.Unread != nil {
		f.Fail("control topic", "allow this user DESCRIBE and READ on it, and ask who runs the brokers whether it is well", "%v", b.Unread)
	}
	f.topics(state, b.Uses)
	f.rights(state, b.Uses)
	f.clock(state)
	if b.NoSet {
		f.Skip("topics of policies", "the policy set says which, and there is none that runs")
		return
	}
	for _, name := range slices.Sorted(slices.Values(b.Groups)) {
		f.group(name, admin.Group(ctx, name))
	}
}

// Use is what an instance does with a topic.
type Use struct {
	Rights  []string // that it needs, in Kafka's words
	Replays bool     // it reads again from there after an outage
	Control bool     // it is the control topic
}

// rights tells which rights this user lacks on topics that are there.
func (f *Findings) rights(s *kafka.ClusterState, uses map[string]Use) {
	var lacks []string
	told := false
	for name, u := range uses {
		t := s.Topics[name]
		told = told || t.Rights != nil
		if t.Rights == nil || t.Err != nil {
			continue
		}
		for _, right := range u.Rights {
			if !slices.Contains(t.Rights, right) {
				lacks = append(lacks, right+" on "+name)
			}
		}
	}
	switch {
	case len(lacks) > 0:
		f.Fail("rights", "have them granted to this user: kafka-acls --add --allow-principal User:NAME", "this user lacks %s", firstFew(lacks))
	case !told:
		f.Skip("rights", "the brokers do not tell what this user may do")
	default:
		f.OK("rights", "this user may read and write what it needs to")
	}
}

// clock compares with the newest record: brokers do not tell their time.
func (f *Findings) clock(s *kafka.ClusterState) {
	var newest time.Time
	topic := ""
	for name, t := range s.Topics {
		if t.Newest.After(newest) {
			newest, topic = t.Newest, name
		}
	}
	switch ahead := time.Until(newest); {
	case topic == "":
		f.Skip("clock", "there is no record to compare with, and brokers do not tell their time")
	case ahead > clockApart:
		f.Warn("clock", "set the clocks of this machine and of those that report by NTP", "the newest record, on %s, is of %v from now", topic, ahead.Round(time.Millisecond))
	default:
		f.OK("clock", "no record is of the future; the newest is %v old", max(-ahead, 0).Round(time.Millisecond))
	}
}

// group tells of one consumer group.
func (f *Findings) group(name string, g kafka.GroupState) {
	check := "group " + name
	seen := fmt.Sprintf("%s, %s, %s behind", strings.ToLower(g.State), diag.Number(g.Members, "member"), diag.Number(int(g.Lag), "record"))
	switch {
	case errors.Is(g.Err, kafka.ErrDenied):
		f.Fail(check, "allow this user DESCRIBE and READ on the group: kafka-acls --group "+name, "this user may not describe it")
	case g.Err != nil:
		f.Fail(check, metadataRead, "%v", g.Err)
	case g.Rights != nil && !slices.Contains(g.Rights, "READ"):
		f.Fail(check, "allow this user READ on the group: kafka-acls --group "+name, "this user may not join it")
	case g.Lost > 0:
		f.Fail(check, "lengthen the retention of what it reads, and start instances", "%s; %s deleted before they were read", seen, diag.Number(int(g.Lost), "record"))
	case g.State == "" || g.State == "Dead":
		f.OK(check, "has not begun")
	case g.Members == 0 && g.Lag > 0:
		f.Warn(check, "start an instance", "nobody reads, and %s wait", diag.Number(int(g.Lag), "record"))
	default:
		f.OK(check, "%s", seen)
	}
}
