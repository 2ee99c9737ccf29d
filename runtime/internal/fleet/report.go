package fleet

import (
	"context"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// report publishes what the reporters of all processes of a job send at one time.
func (f *Fleet) report(ctx context.Context, j *job, now time.Time) error {
	j.step(now)
	for _, p := range j.processes {
		r := report{fleet: f, process: p, buf: make([]byte, 0, p.room)}
		if err := r.send(ctx, now); err != nil {
			return err
		}
		p.room = len(r.buf)
	}
	j.ended = false
	return nil
}

// report is one report of one process. Its records lie one behind the other in
// buf, which is given away with them.
type report struct {
	fleet   *Fleet
	process *process
	buf     []byte
	stamp   []byte
	records int64
}

// send publishes the report: the end of the metrics of an attempt that failed, the
// values of all metrics there are, and the record that closes it.
func (r *report) send(ctx context.Context, now time.Time) error {
	p, j := r.process, r.process.job
	p.seq++
	r.stamp = record.AppendStamp(nil, now.UnixMilli(), p.rid, p.seq, 0)
	for _, g := range p.groups {
		if !j.ended || !g.perRun {
			continue
		}
		if err := r.publish(ctx, g, true); err != nil {
			return err
		}
		g.rekey(j.number)
	}
	for _, g := range p.groups {
		if g.perRun && !j.running(now) {
			continue
		}
		if err := r.publish(ctx, g, false); err != nil {
			return err
		}
	}
	last := record.New()
	last.Task, last.Timestamp, last.RID, last.Seq, last.CV = j.task, now.UnixMilli(), string(p.rid), p.seq, 0
	last.Metric, last.Report = record.ReportMetric, r.records
	return r.fleet.publish(ctx, r.fleet.topics.native, []byte(j.task+"\x00"+record.ReportMetric), last.Append(nil))
}

// publish sends the record of one group.
func (r *report) publish(ctx context.Context, g *group, end bool) error {
	start := len(r.buf)
	r.buf = append(append(append(r.buf, r.process.job.head...), r.stamp...), g.middle...)
	if end {
		r.buf = append(r.buf, record.PartEnd...)
	}
	r.buf = append(r.buf, record.PartPoints...)
	for i, a := range g.points {
		if i > 0 {
			r.buf = append(r.buf, ',')
		}
		var value *record.Point
		if !end {
			v := g.read(a)
			value = &v
		}
		r.buf = record.AppendPoint(r.buf, g.keys[i], g.kind, value)
	}
	r.buf = append(r.buf, record.PartClose...)
	r.records++
	return r.fleet.publish(ctx, g.topic(r.fleet.topics), g.key, r.buf[start:len(r.buf):len(r.buf)])
}
