// Package metric is the vocabulary that every other package shares: kinds,
// origins, labels and the names of series. It knows nothing of how metrics are
// carried, governed or stored, and imports nothing of Sluice.
package metric

import "fmt"

// Kind is the Flink type of a metric. It decides which values a point carries.
type Kind uint8

// The four kinds of Flink's metric model.
const (
	Counter   Kind = iota + 1 // a count that may also go down; restarts at 0 with each attempt
	Gauge                     // a number, a boolean or a text
	Meter                     // a rate per second over a minute, and the count behind it
	Histogram                 // a lifetime count and statistics over a sample window
)

var kindNames = [...]string{Counter: "counter", Gauge: "gauge", Meter: "meter", Histogram: "histogram"}

// String returns the word used on the wire and in policies.
func (k Kind) String() string { return word(kindNames[:], k, "kind") }

// ParseKind returns the kind a wire or policy word names; ok is false for any other word.
func ParseKind(s string) (k Kind, ok bool) { return parse[Kind](kindNames[:], s) }

// Origin says who registered a metric.
type Origin uint8

// The origins of records.md. A record that names none is classified by the catalogue.
const (
	Native Origin = iota + 1 // Flink itself
	SQL                      // Flink's table runtime
	Custom                   // the code of the job
	System                   // what Flink does not give: host, container, job state, lag
	Event                    // job state changes, failures, checkpoints as they happen
)

var originNames = [...]string{Native: "native", SQL: "sql", Custom: "custom", System: "system", Event: "event"}

// String returns the word used on the wire and in policies.
func (o Origin) String() string { return word(originNames[:], o, "origin") }

// ParseOrigin returns the origin a wire or policy word names; ok is false for any other word.
func ParseOrigin(s string) (o Origin, ok bool) { return parse[Origin](originNames[:], s) }

func word[T ~uint8](names []string, v T, what string) string {
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", what, v)
}

func parse[T ~uint8](names []string, s string) (T, bool) {
	for i, n := range names {
		if n == s && s != "" {
			return T(i), true
		}
	}
	return 0, false
}
