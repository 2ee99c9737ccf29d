package fleet

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// job is one copy of a tape.
type job struct {
	tape  *tape
	task  string
	next  int       // report
	start time.Time // of this run through the tape, if it had run in full
	due   time.Time // of the next report
	turn  int       // how often it was submitted
	size  int       // of its largest record
}

// submit begins the tape anew at a position, now.
func (j *job) submit(now time.Time, position time.Duration, speed float64) {
	j.turn++
	j.start = now.Add(-scaled(position, speed))
	for j.next = 0; j.next < len(j.tape.reports)-1 && j.tape.reports[j.next].at < position; j.next++ {
	}
	j.due = now
}

func scaled(d time.Duration, speed float64) time.Duration { return time.Duration(float64(d) / speed) }

// report publishes the next report of the tape. After the last one the series of
// that one end, and the job is submitted again.
func (j *job) report(ctx context.Context, f *Fleet, now time.Time) error {
	r := &j.tape.reports[j.next]
	for i := range r.lines {
		if err := j.publish(ctx, f, &r.lines[i], r.at, now, false); err != nil {
			return err
		}
	}
	if j.next++; j.next < len(j.tape.reports) {
		j.due = j.start.Add(scaled(j.tape.reports[j.next].at, f.speed))
		return nil
	}
	for i := range r.lines {
		if l := &r.lines[i]; l.tail != record.ReportMetric {
			if err := j.publish(ctx, f, l, r.at, now, true); err != nil {
				return err
			}
		}
	}
	j.submit(now.Add(scaled(j.tape.length-r.at, f.speed)), 0, f.speed)
	return nil
}

// publish sends one record as this copy's, with the present time in place of that
// of the recording; ended says that its series end.
func (j *job) publish(ctx context.Context, f *Fleet, l *line, at time.Duration, now time.Time, ended bool) error {
	if l.parts == nil {
		l.parts = j.tape.cutter.cut(j.tape.task, l.value)
	}
	shift := now.UnixMilli() - f.origin - at.Milliseconds()
	b := make([]byte, 0, j.size)
	for i := range l.parts {
		switch p := &l.parts[i]; p.kind {
		case literalPart:
			b = append(b, p.text...)
		case taskPart:
			b = append(b, j.task...)
		case idPart:
			b = j.id(b, p.text)
		case timePart:
			b = strconv.AppendInt(b, p.ms+shift, 10)
		}
	}
	if ended {
		b = append(b[:len(b)-1], `,"end":true}`...)
	}
	j.size = max(j.size, len(b))
	topic := f.topics.native
	if l.custom {
		topic = f.topics.custom
	}
	return f.publish(ctx, topic, []byte(j.task+"\x00"+l.tail), b)
}

// id appends an id as long as the recorded one, that of this submission.
func (j *job) id(b, recorded []byte) []byte {
	h := fnv.New128a()
	fmt.Fprintf(h, "%s %d %s", j.task, j.turn, recorded)
	digits := hex.AppendEncode(nil, h.Sum(nil))
	return append(b, digits[:min(len(recorded), len(digits))]...)
}
