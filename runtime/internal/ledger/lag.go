package ledger

import (
	"math"
	"math/bits"
	"time"
)

// Lag is a histogram of event-time lag: from report_timestamp to the
// acknowledgement of the sink. Buckets grow by up to a quarter, from 1 ms to 12
// days; the zero Lag is empty.
type Lag struct {
	buckets [lagBuckets]uint64
	count   uint64
	sum     float64 // seconds
}

const (
	lagSteps   = 4 // buckets per doubling
	lagBuckets = 30 * lagSteps
)

// Observe counts n samples with the same lag. A negative lag, of a clock that is
// ahead of ours, counts as none.
func (l *Lag) Observe(d time.Duration, n uint64) {
	ms := max(d.Milliseconds(), 0)
	l.buckets[lagBucket(uint64(ms))] += n
	l.count += n
	l.sum += float64(ms) / 1000 * float64(n)
}

// lagBucket returns the bucket of a lag in milliseconds: the position of its
// highest bit and the two bits below it.
func lagBucket(ms uint64) int {
	exp := bits.Len64(ms >> 2)
	if exp == 0 {
		return int(ms)
	}
	return min(exp*lagSteps+int(ms>>(exp-1))&3, lagBuckets-1)
}

// lagBound returns the upper bound of a bucket in milliseconds, exclusive.
func lagBound(b int) float64 {
	if b < lagSteps {
		return float64(b + 1)
	}
	exp, step := b/lagSteps, b%lagSteps
	return float64(uint64(lagSteps+step+1) << (exp - 1))
}

// Add puts o into l.
func (l *Lag) Add(o *Lag) {
	if o.count == 0 {
		return
	}
	for i, n := range o.buckets {
		l.buckets[i] += n
	}
	l.count += o.count
	l.sum += o.sum
}

// Count returns how many samples were observed, Sum their lags in seconds.
func (l *Lag) Count() uint64 { return l.count }

// Sum returns the sum of all lags in seconds.
func (l *Lag) Sum() float64 { return l.sum }

// Quantile returns an upper bound in seconds, at most a quarter above the true
// value, of the q-quantile (0 to 1); NaN when nothing was observed.
func (l *Lag) Quantile(q float64) float64 {
	if l.count == 0 {
		return math.NaN()
	}
	rank, seen := uint64(math.Ceil(q*float64(l.count))), uint64(0)
	for b, n := range l.buckets {
		seen += n
		if seen >= max(rank, 1) {
			return lagBound(b) / 1000
		}
	}
	return lagBound(lagBuckets-1) / 1000
}

// Below returns how many samples had a lag under d, up to a bucket's width.
func (l *Lag) Below(d time.Duration) uint64 {
	var n uint64
	for b, c := range l.buckets {
		if lagBound(b) > float64(d.Milliseconds()) {
			break
		}
		n += c
	}
	return n
}

// lagTurn is after how long the oldest lags are forgotten, half of those that are known.
const lagTurn = time.Minute

// recentLag is the lag of the last one to two turns. The zero one is empty.
type recentLag struct {
	now, before Lag
	began       time.Time // of the turn of now
}

func (r *recentLag) add(at time.Time, l *Lag) {
	r.turn(at)
	r.now.Add(l)
}

func (r *recentLag) sum(at time.Time) Lag {
	r.turn(at)
	s := r.before
	s.Add(&r.now)
	return s
}

// turn forgets what is too old.
func (r *recentLag) turn(at time.Time) {
	switch since := at.Sub(r.began); {
	case since >= 2*lagTurn:
		*r = recentLag{began: at}
	case since >= lagTurn:
		*r = recentLag{before: r.now, began: r.began.Add(lagTurn)}
	}
}
