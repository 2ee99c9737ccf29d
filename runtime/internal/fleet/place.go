package fleet

import (
	"math"
	"time"
)

// What the values of one place are made of.

const (
	recordBytes  = 350        // of an input record
	bufferBytes  = 32 << 10   // of a network buffer
	heapBytes    = 1600 << 20 // of a JVM
	outOfOrderMs = 5000       // that the watermark waits for late records
	collectEvery = 7          // seconds between young collections
	collectionMs = 14         // that one takes
)

func none(*at) float64   { return 0 }
func nan(*at) float64    { return math.NaN() }
func late(a *at) float64 { return .0004 * a.share() }

func ms(d time.Duration) float64 { return float64(d.Milliseconds()) }

// share is how many records the place handles per record that the job reads.
func (a *at) share() float64 {
	s := a.v.in
	if a.op != nil && a.op.role&sink != 0 {
		s = a.v.out
	}
	return s * a.v.share[a.subtask]
}

// in and out are the records in and out of an operator, or of the whole task: a
// source takes none from other tasks, a sink gives none to them.
func (a *at) in() float64 {
	if a.op == nil {
		if a.v.topic != "" {
			return 0
		}
		return a.share()
	}
	return a.between(0)
}

func (a *at) out() float64 {
	if a.op != nil {
		return a.between(1)
	}
	if a.v.operators[len(a.v.operators)-1].role&sink != 0 {
		return 0
	}
	return a.v.out * a.v.share[a.subtask]
}

// between goes from what enters the chain to what leaves it, operator by operator.
func (a *at) between(behind int) float64 {
	n := len(a.v.operators)
	for i, op := range a.v.operators {
		if op == a.op {
			return (a.v.in + (a.v.out-a.v.in)*float64(i+behind)/float64(n)) * a.v.share[a.subtask]
		}
	}
	return 0
}

// wave swings between -1 and 1, near swings a fifth around size; each place in
// its own time.
func (a *at) wave() float64 {
	return a.job.wave(time.Duration(60+a.seed%240)*time.Second, float64(a.seed%1000)/1000)
}

func (a *at) near(size float64) float64 { return size * (1 + .2*a.wave()) }

// running is how long the process, or below it the attempt, has been there.
func (a *at) running() time.Duration {
	if a.subtask >= 0 {
		return a.job.now.Sub(a.job.since)
	}
	return a.job.age + a.job.now.Sub(a.job.started)
}

// once is NaN for a while after the start of the attempt.
func (a *at) once(after time.Duration, v float64) float64 {
	if a.running() < after {
		return math.NaN()
	}
	return v
}

// busy and pressed are the shares of its time that a task works and waits for the
// next one; idle is what is left.
func (a *at) busy() float64 {
	if a.v.bottleneck {
		return a.job.use
	}
	return a.v.cost * min(1, a.job.rate/(a.job.base*headroom))
}

func (a *at) pressed() float64 {
	if !a.job.lagging() {
		return 0
	}
	return .9 * (1 - a.busy()) * a.upstream()
}

func (a *at) upstream() float64 {
	if a.v.upstream {
		return 1
	}
	return 0
}

// held is 1 for the bottleneck of a job that lags.
func (a *at) held() float64 {
	if a.v.bottleneck && a.job.lagging() {
		return 1
	}
	return 0
}

// full is how full the input buffers are.
func (a *at) full() float64 { return max(.05+.05*a.wave(), a.held()) }

// segments are the network buffers in use in the process.
func (a *at) segments() float64 {
	used := 60 + 20*a.job.wave(90*time.Second, float64(a.process.seed%1000)/1000)
	if a.job.lagging() {
		used += 400
	}
	return math.Round(used)
}

// busyTime is NaN for sources of the old kind, which run in a thread of their own.
func busyTime(a *at) float64 {
	if a.v.operators[0].role&legacy != 0 {
		return math.NaN()
	}
	return 1000 * a.busy()
}

// inWatermark is the smallest long, Flink's word for none yet, where nothing comes
// in from another task; outWatermark is it until the attempt has seen some input.
func inWatermark(a *at) float64 {
	if a.v.topic != "" && (a.op == nil || a.op == a.v.operators[0]) {
		return math.MinInt64
	}
	return outWatermark(a)
}

func outWatermark(a *at) float64 {
	if a.running() < 5*time.Second {
		return math.MinInt64
	}
	return float64(a.job.now.UnixMilli()) - outOfOrderMs - math.Round(1000*a.job.delay())
}

// offset is the position in a partition; committed the one of the last checkpoint.
func offset(a *at) float64    { return a.position(a.job.load.done) }
func committed(a *at) float64 { return a.position(a.job.saved) }

func (a *at) position(done float64) float64 {
	return float64(a.split+1)*1e6 + math.Floor(done*a.share()/float64(len(a.v.splitsOf(a.subtask))))
}

// up and down are the milliseconds since the job runs, or since it does not.
func (a *at) up() float64 {
	return max(0, ms(a.job.now.Sub(a.job.since)))
}

func (a *at) down() float64 {
	if a.job.attempts.running(a.job.now) {
		return 0
	}
	return ms(a.job.now.Sub(a.job.attempts.down))
}

func restored(a *at) float64 {
	if a.job.number == 0 {
		return -1
	}
	return float64(a.job.since.UnixMilli())
}

// cycles are the collections of the process; the part behind the point is how far
// the heap has filled since the last one.
func (a *at) cycles() float64 {
	return a.running().Seconds()/collectEvery + float64(a.process.seed%1000)/1000
}

func (a *at) collections() float64 { return math.Floor(a.cycles()) }

func (a *at) untilCollection() float64 { return a.cycles() - a.collections() }
