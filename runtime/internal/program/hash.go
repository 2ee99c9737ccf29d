package program

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// hash is 64-bit FNV-1a, mixed at the end because FNV leaves the high bits of
// short inputs alike. Sample rules compare it with a share of the 64-bit range.
// Instances and reporters of any version must agree, so it never changes.
type hash uint64

const (
	hashOffset hash = 14695981039346656037
	hashPrime  hash = 1099511628211
)

func (h hash) add(s string) hash {
	for i := range len(s) {
		h = (h ^ hash(s[i])) * hashPrime
	}
	return (h ^ 0xff) * hashPrime // no byte of UTF-8: keeps "a","bc" apart from "ab","c"
}

// mix is the finalizer of MurmurHash3: every bit of x changes half of the result.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// hashSeries identifies a series of a task by what its reporter knows of it: the
// name and the labels before any rewrite, without those of an incarnation. So a
// restart does not change it, and a reporter can sample as the program does.
func hashSeries(task, name string, labels metric.Labels) uint64 {
	h := hashOffset.add(task).add(name)
	for _, l := range labels {
		if l.Value != "" && !slices.Contains(incarnation[:], l.Name) {
			h = h.add(l.Name).add(l.Value)
		}
	}
	return mix(uint64(h))
}

// incarnation are the labels that change when a job starts again or moves.
var incarnation = [...]string{"host", "job_id", "task_attempt_id", metric.AttemptLabel, "tm_id"}
