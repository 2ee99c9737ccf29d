// Package ledger counts what became of every sample, so that in = out + every
// disposition can be proven at any moment. The unit is the sample: one point of
// a record. A record that cannot be read counts as one sample.
package ledger

// Disposition is what became of a sample.
type Disposition uint8

// The dispositions. Every sample that came in has exactly one of them.
const (
	Out         Disposition = iota // acknowledged by every output it went to
	InFlight                       // written to the outputs, not yet acknowledged
	Held                           // picked by a thin rule whose interval is still open
	Dropped                        // a drop rule matched
	Sampled                        // outside the share a sample rule lets through
	Thinned                        // not the one that a thin rule picked of its interval
	Limited                        // above the rate of a limit rule
	Disabled                       // its task is switched off
	NoValue                        // no number: null, or the watermark before the first one
	Superseded                     // of an attempt that a newer one has replaced
	NotRouted                      // for other sinks than this one
	Aggregated                     // went into an aggregate, in place of itself
	Merged                         // went into the overflow series of a budget
	OverBudget                     // a budget had no room for it
	Late                           // its window was over, or had its sample already
	Shed                           // given up under overload
	Refused                        // a receiver would not take it, or not in time
	Quarantined                    // a transform failed for it; kept on the dead-letter topic
	DeadLetter                     // could not be read; kept on the dead-letter topic
	Count                          // how many dispositions there are
)

var names = [Count]string{
	Out: "out", InFlight: "in-flight", Held: "held", Dropped: "dropped", Sampled: "sampled",
	Thinned: "thinned", Limited: "limited", Disabled: "disabled", NoValue: "no-value",
	Superseded: "superseded", NotRouted: "not-routed", Aggregated: "aggregated", Merged: "merged",
	OverBudget: "over-budget", Late: "late", Shed: "shed", Refused: "refused",
	Quarantined: "quarantined", DeadLetter: "dead-letter",
}

// Parse returns the disposition that a word names; ok is false for any other word.
func Parse(word string) (d Disposition, ok bool) {
	for d, name := range names {
		if name == word {
			return Disposition(d), true
		}
	}
	return 0, false
}

// String returns the word used in metrics, status and explain.
func (d Disposition) String() string { return names[d] }
