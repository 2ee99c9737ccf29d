package program

import "github.com/sluice-metrics/sluice/runtime/metric"

// Join returns the number of the member with this key, a new one if there is none.
func (c *Cell) Join(key uint64) int32 {
	if 4*(len(c.members)+1) > 3*len(c.index) {
		c.reindex(max(8, 2*len(c.index)))
	}
	i := c.slot(key)
	if m := c.index[i]; m != 0 {
		return m - 1
	}
	x := member{key: key, ended: true, at: never}
	m := int32(len(c.members))
	if n := len(c.free); n > 0 {
		m = c.free[n-1]
		c.free = c.free[:n-1]
		c.members[m] = x
	} else {
		c.members = append(c.members, x)
		if c.kind == metric.Meter || c.kind == metric.Histogram {
			c.stats = append(c.stats, Value{})
		}
	}
	c.index[i] = m + 1
	return m
}

// slot is where the index has a key, or would have it. Keys are hashes.
func (c *Cell) slot(key uint64) int {
	mask := len(c.index) - 1
	for i := int(key) & mask; ; i = (i + 1) & mask {
		if m := c.index[i]; m == 0 || c.members[m-1].key == key {
			return i
		}
	}
}

// reindex makes an index of a size, a power of two.
func (c *Cell) reindex(size int) {
	c.index = make([]int32, size)
	for m := range c.members {
		if x := &c.members[m]; x.at != forgotten {
			c.index[c.slot(x.key)] = int32(m) + 1
		}
	}
}

// Is reports whether number m still is the member with this key.
func (c *Cell) Is(m int32, key uint64) bool {
	return m >= 0 && int(m) < len(c.members) && c.members[m].key == key && c.members[m].at != forgotten
}
