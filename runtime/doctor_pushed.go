package runtime

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/doctor"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// readTime is how long the control topic may take.
const readTime = 6 * time.Second

// takePushed puts the set that was pushed last in the place of the one that an
// instance is made with before it has read the control topic. It only reads.
func (d *examination) takePushed(ctx context.Context) {
	r := d.r
	d.r = nil
	if len(d.cfg.Brokers) == 0 {
		d.unknown = doctor.Check{Outcome: doctor.Skip, Seen: "they are kept by the broker inside the process, which can be asked only while an instance runs"}
		return
	}
	reach, reached := context.WithTimeout(ctx, readTime)
	defer reached()
	topic, err := kafka.NewControl(r.kafka, controlTopic)
	if err == nil {
		err = topic.Read(reach)
	}
	if err != nil {
		d.unknown, d.unread = doctor.Check{Outcome: doctor.Skip, Seen: "topic " + controlTopic + ", which has them, cannot be read"}, err
		return
	}
	current, pushed := control.NewRevisions(topic).Current()
	if !pushed {
		d.unknown = doctor.Check{Outcome: doctor.Warn, Seen: "none were pushed yet, and an instance waits for them", Do: "push them to an instance that runs: sluice apply DIR"}
		return
	}
	d.pushed = fmt.Sprintf("revision %.12s, number %d, pushed by %s at %s: ", current.Digest, current.N, cmp.Or(current.By, "an instance"), current.At.Format(time.RFC3339))
	r.control.Store(topic)
	set, err := r.pushedSet(current)
	d.report = set.report
	if err == nil {
		err = set.checkTopology(d.cfg)
	}
	if err != nil {
		d.err = fmt.Errorf("%sit does not run: %w", d.pushed, err)
		return
	}
	r.topology.Store(&set)
	d.r = r
}
