package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

const (
	reachTime    = 6 * time.Second // until brokers have answered once
	clockApart   = 2 * time.Second
	metadataRead = "check that the user may describe topics and groups"
)

// lookAtKafka asks the brokers; without a policy set, of topics only about the control
// topic.
func (d *doctor) lookAtKafka(ctx context.Context, f *findings) {
	if len(d.cfg.Brokers) == 0 {
		f.ok("broker", "runs inside the process")
		return
	}
	conf, err := d.cfg.kafka(nil)
	if err != nil {
		f.fail("broker", "mend the setting", "%v", err)
		return
	}
	admin, err := kafka.NewAdmin(conf)
	if err != nil {
		f.fail("broker", "mend the setting", "%v", err)
		return
	}
	defer admin.Close()
	reach, reached := context.WithTimeout(ctx, reachTime)
	began := time.Now()
	_, err = admin.Topics(reach)
	reached()
	if err != nil {
		seen, do := conf.Diagnose(ctx, err)
		f.fail("broker", do, "%s", seen)
		return
	}
	took := time.Since(began).Round(time.Millisecond)
	uses := d.uses()
	state, err := admin.Inspect(ctx, slices.Collect(maps.Keys(uses))...)
	if err != nil {
		f.fail("broker", metadataRead, "%v", err)
		return
	}
	f.ok("broker", "%s: %s, %s, answers after %v", strings.Join(d.cfg.Brokers, ","), count(state.Brokers, "broker"), cmp.Or(state.Version, "version not known"), took)
	if d.unread != nil {
		f.fail("control topic", "allow this user DESCRIBE and READ on it, and ask who runs the brokers whether it is well", "%v", d.unread)
	}
	f.topics(state, uses)
	f.rights(state, uses)
	f.clock(state)
	if d.r == nil {
		f.skip("topics of policies", "the policy set says which, and there is none that runs")
		return
	}
	for _, name := range slices.Sorted(slices.Values(d.groups())) {
		f.group(name, admin.Group(ctx, name))
	}
}

// use is what an instance does with a topic.
type use struct {
	rights  []string // that it needs, in Kafka's words
	replays bool     // it reads again from there after an outage
	control bool
}

// uses are the topics of the instance.
func (d *doctor) uses() map[string]use {
	all := map[string]use{}
	add := func(topic string, replays bool, rights ...string) {
		u := all[topic]
		u.rights = append(u.rights, rights...)
		slices.Sort(u.rights)
		u.rights, u.replays = slices.Compact(u.rights), u.replays || replays
		all[topic] = u
	}
	all[controlTopic] = use{rights: []string{"READ", "WRITE"}, control: true}
	if d.r == nil {
		return all
	}
	set := d.r.opened()
	for _, s := range set.streams() {
		if d.cfg.does(roleHop1) {
			for _, t := range s.Topics {
				add(t, true, "READ")
			}
			add(s.DeadLetter, false, "WRITE")
		}
		if s.Direct {
			continue
		}
		if d.cfg.does(roleHop1) {
			add(s.Processed, true, "WRITE")
		}
		if d.cfg.does(roleSinks) {
			add(s.Processed, true, "READ")
		}
	}
	for _, s := range set.sinks() {
		if s.Type == "kafka" && d.cfg.does(roleSinks) {
			add(s.Topic, false, "WRITE")
		}
	}
	return all
}

// groups are the consumer groups of the instance.
func (d *doctor) groups() []string {
	var all []string
	set := d.r.opened()
	if d.cfg.does(roleHop1) {
		for name := range set.streams() {
			all = append(all, d.cfg.Group+".stream."+name)
		}
	}
	if d.cfg.does(roleSinks) && !set.allDirect() {
		for name := range set.sinks() {
			all = append(all, d.cfg.Group+".sink."+name)
		}
	}
	return all
}

// rights tells which rights this user lacks on topics that are there.
func (f *findings) rights(s *kafka.ClusterState, uses map[string]use) {
	var lacks []string
	told := false
	for name, u := range uses {
		t := s.Topics[name]
		told = told || t.Rights != nil
		if t.Rights == nil || t.Err != nil {
			continue
		}
		for _, right := range u.rights {
			if !slices.Contains(t.Rights, right) {
				lacks = append(lacks, right+" on "+name)
			}
		}
	}
	switch {
	case len(lacks) > 0:
		f.fail("rights", "have them granted to this user: kafka-acls --add --allow-principal User:NAME", "this user lacks %s", firstFew(lacks))
	case !told:
		f.skip("rights", "the brokers do not tell what this user may do")
	default:
		f.ok("rights", "this user may read and write what it needs to")
	}
}

// clock compares with the newest record: brokers do not tell their time.
func (f *findings) clock(s *kafka.ClusterState) {
	var newest time.Time
	topic := ""
	for name, t := range s.Topics {
		if t.Newest.After(newest) {
			newest, topic = t.Newest, name
		}
	}
	switch ahead := time.Until(newest); {
	case topic == "":
		f.skip("clock", "there is no record to compare with, and brokers do not tell their time")
	case ahead > clockApart:
		f.warn("clock", "set the clocks of this machine and of those that report by NTP", "the newest record, on %s, is of %v from now", topic, ahead.Round(time.Millisecond))
	default:
		f.ok("clock", "no record is of the future; the newest is %v old", max(-ahead, 0).Round(time.Millisecond))
	}
}

// group tells of one consumer group.
func (f *findings) group(name string, g kafka.GroupState) {
	check := "group " + name
	seen := fmt.Sprintf("%s, %s, %s behind", strings.ToLower(g.State), count(g.Members, "member"), count(int(g.Lag), "record"))
	switch {
	case errors.Is(g.Err, kafka.ErrDenied):
		f.fail(check, "allow this user DESCRIBE and READ on the group: kafka-acls --group "+name, "this user may not describe it")
	case g.Err != nil:
		f.fail(check, metadataRead, "%v", g.Err)
	case g.Rights != nil && !slices.Contains(g.Rights, "READ"):
		f.fail(check, "allow this user READ on the group: kafka-acls --group "+name, "this user may not join it")
	case g.Lost > 0:
		f.fail(check, "lengthen the retention of what it reads, and start instances", "%s; %s deleted before they were read", seen, count(int(g.Lost), "record"))
	case g.State == "" || g.State == "Dead":
		f.ok(check, "has not begun")
	case g.Members == 0 && g.Lag > 0:
		f.warn(check, "start an instance", "nobody reads, and %s wait", count(int(g.Lag), "record"))
	default:
		f.ok(check, "%s", seen)
	}
}
