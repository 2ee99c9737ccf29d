package engine

// Bound is what a lane keeps of its series, by Ref. It counts how often each is
// bound, and numbers them so that a Ref is used again only after its series has
// gone. The zero value is empty.
type Bound[T any] struct {
	all     []T
	times   []int32 // how often each is bound; gone when nobody waits for it
	free    []Ref
	leaving []Ref // released while something of them waited; perhaps bound again, perhaps here twice
}

const gone = -1 // in times: the Ref is free, or about to be

// Add numbers a series that is new, bound once.
func (b *Bound[T]) Add(v T) Ref {
	if n := len(b.free); n > 0 {
		ref := b.free[n-1]
		b.free = b.free[:n-1]
		b.all[ref], b.times[ref] = v, 1
		return ref
	}
	b.all, b.times = append(b.all, v), append(b.times, 1)
	return Ref(len(b.all) - 1)
}

// At returns the series of a Ref, until the next Add.
func (b *Bound[T]) At(ref Ref) *T { return &b.all[ref] }

// Again binds a series once more.
func (b *Bound[T]) Again(ref Ref) { b.times[ref]++ }

// Release undoes one Add or Again and reports whether the series goes now: the
// caller then lets go of what it has about it and calls Free. While samples of it
// wait it goes with Left, unless it is bound again before.
func (b *Bound[T]) Release(ref Ref, waits bool) bool {
	b.times[ref]--
	switch {
	case b.times[ref] > 0:
		return false
	case waits:
		b.leaving = append(b.leaving, ref)
		return false
	}
	b.times[ref] = gone
	return true
}

// Left returns the series that Release held back and that nobody has bound
// again, for the caller to let go of and Free: nothing waits any more. The slice
// is valid until the next Release.
func (b *Bound[T]) Left() []Ref {
	left := b.leaving[:0]
	for _, ref := range b.leaving {
		if b.times[ref] == 0 {
			b.times[ref] = gone
			left = append(left, ref)
		}
	}
	b.leaving = b.leaving[:0]
	return left
}

// Free gives a Ref back whose series has gone.
func (b *Bound[T]) Free(ref Ref) {
	b.all[ref] = *new(T)
	b.free = append(b.free, ref)
}
