package program

import "math"

// TaskShare is a share of all tasks, by a hash of their names: everyone who asks
// gets the same answer, and a larger share has all the tasks of a smaller one. The
// zero TaskShare has none.
type TaskShare struct {
	below uint64 // what the hash of a task must be below
	all   bool
}

// ShareOfTasks returns the share of p, from 0 to 1.
func ShareOfTasks(p float64) TaskShare {
	if p >= 1 {
		return TaskShare{all: true}
	}
	return TaskShare{below: uint64(math.Ldexp(max(p, 0), 64))}
}

// Takes reports whether a task, by its torrent_task_id, belongs to the share.
func (s TaskShare) Takes(task string) bool {
	return s.all || mix(uint64(hashOffset.add(task))) < s.below
}
