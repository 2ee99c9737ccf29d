package runtime

import (
	"context"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/doctor"
)

// lookAtKafka asks the brokers; without a policy set, of topics only about the control
// topic.
func (d *examination) lookAtKafka(ctx context.Context, f *doctor.Findings) {
	if len(d.cfg.Brokers) == 0 {
		f.OK("broker", "runs inside the process")
		return
	}
	conf, err := d.cfg.kafka(nil)
	if err != nil {
		f.Fail("broker", "mend the setting", "%v", err)
		return
	}
	b := doctor.Brokers{Config: conf, Uses: d.uses(), NoSet: d.r == nil, Unread: d.unread}
	if d.r != nil {
		b.Groups = d.groups()
	}
	b.Look(ctx, f)
}

// uses are the topics of the instance.
func (d *examination) uses() map[string]doctor.Use {
	all := map[string]doctor.Use{}
	add := func(topic string, replays bool, rights ...string) {
		u := all[topic]
		u.Rights = append(u.Rights, rights...)
		slices.Sort(u.Rights)
		u.Rights, u.Replays = slices.Compact(u.Rights), u.Replays || replays
		all[topic] = u
	}
	all[controlTopic] = doctor.Use{Rights: []string{"READ", "WRITE"}, Control: true}
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
func (d *examination) groups() []string {
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

// lookAtSinks asks the receivers of the sinks.
func (d *examination) lookAtSinks(ctx context.Context, f *doctor.Findings) {
	if d.r == nil || !d.cfg.does(roleSinks) {
		return
	}
	allow, err := d.cfg.egressAllow()
	if err != nil {
		f.Fail("egress", "mend --egress-allow", "%v", err)
		return
	}
	f.Receivers(ctx, allow, d.r.opened().sinks())
}
