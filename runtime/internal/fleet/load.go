package fleet

import (
	"math"
	"time"
)

// load is how much comes in at a job, and how much of it the job gets done. All
// record counts and rates of a job are shares of it, so that they agree.
type load struct {
	base  float64 // records per second offered on average
	phase float64 // of the waves, 0 to 1
	age   time.Duration

	started time.Time // when the simulation began
	now     time.Time // of the last step
	offered float64   // records per second that come in
	done    float64   // records read since the job was first started
	backlog float64   // records that came in and were not read yet
	rate    float64   // records per second that are read
	use     float64   // share of the capacity in use, 0 to 1
	before  float64   // the part of done that earlier attempts read
	slow    time.Time // a lag incident lasts until then
	recent  []mark    // what was done, over the last minute of the attempt

	busy, heldBack, idle float64 // seconds of the attempt: in use, held back by the bottleneck, neither
}

type mark struct {
	at   time.Time
	done float64
}

const (
	headroom = 1.8 // capacity of a healthy job, as a multiple of its average load
	slowed   = 0.4 // the same in a lag incident
	meterFor = time.Minute
)

// begin lets the job have run at its average load for its age.
func (l *load) begin(now time.Time) {
	l.started, l.now, l.offered, l.rate, l.use = now, now, l.base, l.base, 1/headroom
	l.done = l.base * l.age.Seconds()
	l.recent = []mark{{now.Add(-meterFor), l.done - l.base*meterFor.Seconds()}, {now, l.done}}
	l.busy = l.use * l.age.Seconds()
	l.idle = l.age.Seconds() - l.busy
}

// step lets the time pass until now; a job that does not run reads nothing.
func (l *load) step(now time.Time, running bool) {
	seconds := now.Sub(l.now).Seconds()
	if seconds <= 0 {
		return
	}
	l.now = now
	l.offered = l.base * (1 + .25*l.wave(10*time.Minute, 0) + .08*l.wave(47*time.Second, .3))
	capacity := l.base * headroom
	if now.Before(l.slow) {
		capacity = l.base * slowed
	}
	l.backlog += l.offered * seconds
	read := min(l.backlog, capacity*seconds)
	if !running {
		read = 0
	}
	l.backlog -= read
	l.done += read
	l.rate = read / seconds
	l.use = l.rate / capacity
	if !running {
		return
	}
	switch {
	case l.lagging():
		l.busy += seconds
		l.heldBack += seconds
	default:
		l.busy += seconds * l.use
		l.idle += seconds * (1 - l.use)
	}
	l.remember()
}

// restart begins a new attempt: its counts start at 0.
func (l *load) restart(now time.Time) {
	l.before, l.recent = l.done, []mark{{now, l.done}}
	l.busy, l.heldBack, l.idle = 0, 0, 0
}

// remember keeps the marks of the last minute, and the last one before it.
func (l *load) remember() {
	l.recent = append(l.recent, mark{l.now, l.done})
	for len(l.recent) > 2 && !l.recent[1].at.After(l.now.Add(-meterFor)) {
		l.recent = l.recent[1:]
	}
}

// attemptDone is how many records the attempt has read.
func (l *load) attemptDone() float64 { return l.done - l.before }

// perMinute is what Flink's meters show: records of the last minute by its
// seconds, of which an attempt younger than a minute has none before its start.
func (l *load) perMinute() float64 {
	from, a := l.now.Add(-meterFor), l.recent[0]
	start := a.done
	if len(l.recent) > 1 && a.at.Before(from) {
		b := l.recent[1]
		start += (b.done - a.done) * float64(from.Sub(a.at)) / float64(b.at.Sub(a.at))
	}
	return (l.done - start) / meterFor.Seconds()
}

// lagging reports whether more than a second of input waits.
func (l *load) lagging() bool { return l.backlog > l.offered }

// delay is the age of the input that is read now, in seconds.
func (l *load) delay() float64 { return .04 + .03*l.wave(31*time.Second, .7) + l.backlog/l.offered }

// wave is a value between -1 and 1 that swings once per period.
func (l *load) wave(period time.Duration, phase float64) float64 {
	turn := float64(l.now.UnixMilli()%period.Milliseconds()) / float64(period.Milliseconds())
	return math.Sin(2 * math.Pi * (turn + l.phase + phase))
}
