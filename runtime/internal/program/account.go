package program

import "math"

// Account is what one key of a budget has used up. It knows how many series there
// are, not which. The zero Account is empty. Time is Unix milliseconds.
type Account struct {
	Used   int   // series that go out
	began  int64 // of the first one
	period int64 // of growth, counted from the epoch
	grown  int   // series let in within it
	opened bool
}

// Limit is how many series may go out, of a bound of which part (above 0, at most
// 1) is this instance's; 0 means any number.
func (b *Bound) Limit(part float64) int { return b.share(b.Series, part) }

func (b *Bound) share(n int, part float64) int {
	if !b.Split {
		part = 1
	}
	return int(math.Ceil(float64(n) * part))
}

// Room reports whether one series more may go out. Growth is not bounded for as
// long as a budget learns how many series are normal: for Within, from its first.
func (a *Account) Room(b *Bound, part float64, now int64) bool {
	if b.Series > 0 && a.Used >= b.Limit(part) {
		return false
	}
	within := b.Within.Milliseconds()
	if b.Growth == 0 || !a.opened || now < a.began+within {
		return true
	}
	return floorDiv(now, within) != a.period || a.grown < b.share(b.Growth, part)
}

// Take charges one series.
func (a *Account) Take(b *Bound, now int64) {
	if !a.opened {
		a.opened, a.began = true, now
	}
	if within := b.Within.Milliseconds(); within > 0 {
		if n := floorDiv(now, within); n != a.period {
			a.period, a.grown = n, 0
		}
	}
	a.Used++
	a.grown++
}

// Learned reports whether an account without series has nothing more to remember.
func (a *Account) Learned(b *Bound, now int64) bool {
	return a.Used == 0 && now > a.began+b.Within.Milliseconds()
}
