package engine

import (
	"slices"
	"sync"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// Canary is a candidate that governs a part of the tasks, or whole partitions,
// beside the generation in force, which governs the rest. Every series is governed
// by one of the two; a task is never governed by both but by partitions.
type Canary struct {
	Program    *program.Program
	Revision   string
	Share      program.TaskShare // of the tasks
	Partitions []int32           // of each topic; instead of Share
	Compare    *Comparison       // told what both do; nil: nobody asks

	generation *Generation
}

// force is a generation as one worker runs it.
type force struct {
	*Generation
	number   uint32 // Generation.number, at hand
	place    int    // in what is kept for both sides: 0 for the generation in force, 1 for the candidate
	side     int    // of Comparison
	revision []byte
	shed     uint16 // up to which series.shed samples are given up, for the batch at hand
	memo     program.Memo
	tallies  []tally
	touched  []int32 // indexes of rules with a tally
	did      Side    // since the last post, while a canary runs
}

// maxPast is how many generations a worker remembers that are out of force: held
// samples and windows may be of series that they decided about.
const maxPast = 4

// maxPlans is of how many plans a worker knows who governed which tasks.
const maxPlans = 32

// forces are the generations that a worker runs or remembers.
type forces struct {
	plan      *Generation // that Apply put in force
	base      *force      // governs what candidate does not
	candidate *force      // nil: no canary, or all of the partition is its
	past      []*force
	compare   *Comparison
	mark      counts          // what the entry held when the sides were last told apart
	plans     []governed      // the newest ones, in order
	rules     map[ruleOf]bool // whether a generation has a rule
}

// governed says which generation governs which tasks, from a time of the partition on.
type governed struct {
	since           int64
	base, candidate uint32 // numbers
	share           program.TaskShare
}

func (g *governed) governs(task string) uint32 {
	if g.candidate != 0 && g.share.Takes(task) {
		return g.candidate
	}
	return g.base
}

// adopt goes over to a plan at a time of the partition, between two batches. It
// returns the time from which on the plans are remembered.
func (f *forces) adopt(plan *Generation, p Partition, clock int64) (since int64, forgot bool) {
	was := *f
	*f = forces{plan: plan, past: f.past, plans: f.plans, rules: map[ruleOf]bool{}}
	f.base = was.take(plan, 0)
	now := governed{since: clock}
	if c := plan.Canary; c != nil {
		f.compare = c.Compare
		candidate := was.take(c.generation, 1)
		candidate.side = 1
		switch {
		case len(c.Partitions) == 0:
			f.candidate, now.candidate, now.share = candidate, candidate.number, c.Share
		case slices.Contains(c.Partitions, p.ID):
			candidate.place = 0
			f.base = candidate
		}
	}
	for _, old := range [...]*force{was.base, was.candidate} {
		if old != nil && f.find(old.number) == nil {
			old.Generation = &Generation{Revision: old.Revision, number: old.number, rules: old.rules}
			f.past = append(f.past, old)
		}
	}
	f.past = slices.Clone(f.past[max(0, len(f.past)-maxPast):])
	now.base = f.base.number
	f.plans = append(f.plans, now)
	if len(f.plans) > maxPlans {
		f.plans, forgot = slices.Delete(f.plans, 0, 1), true
	}
	return f.plans[0].since, forgot
}

// take returns the force of a generation: what it counts goes on when it was in
// force before.
func (f *forces) take(gen *Generation, place int) *force {
	to := &force{Generation: gen, number: gen.number, place: place, revision: []byte(gen.Revision)}
	for _, was := range [...]*force{f.base, f.candidate} {
		if was != nil && was.number == gen.number {
			to.tallies, to.touched, to.memo = was.tallies, was.touched, was.memo
			return to
		}
	}
	to.tallies = make([]tally, len(gen.rules))
	return to
}

// find returns the generation with a number, nil for one that is forgotten.
func (f *forces) find(number uint32) *force {
	switch {
	case f.base.number == number:
		return f.base
	case f.candidate != nil && f.candidate.number == number:
		return f.candidate
	}
	for _, old := range f.past {
		if old.number == number {
			return old
		}
	}
	return nil
}

// has reports whether a generation is in force for some task.
func (f *forces) has(number uint32) bool {
	return f.base.number == number || f.candidate != nil && f.candidate.number == number
}

// all are the rules in force for some task.
func (f *forces) all() []program.Rule {
	if f.candidate == nil {
		return f.base.rules
	}
	return slices.Concat(f.base.rules, f.candidate.rules)
}

// govern lets the generation decide that governs the source of the record at hand.
// It is called only while there are two.
func (w *Worker) govern(src *source) {
	f := &w.forces
	if src.plan != f.plan.applied {
		src.plan = f.plan.applied
		src.candidate = f.plan.Canary.Share.Takes(record.Unquote(src.task()))
	}
	if src.candidate {
		w.enter(f.candidate)
		return
	}
	w.enter(f.base)
}

// recall lets the generation speak that decided about a series, for what it left
// behind. It may be out of force; when it is forgotten, the one in force speaks.
func (w *Worker) recall(number uint32) {
	if w.cur.number == number {
		return
	}
	if f := w.forces.find(number); f != nil {
		w.enter(f)
		return
	}
	w.enter(w.forces.base)
}

// enter makes f the generation of what is at hand.
func (w *Worker) enter(f *force) {
	if f == w.cur {
		return
	}
	w.settle()
	w.cur = f
}

// moved notes which generation governed a source before, and until when: what it
// reported then is missing where rules begin that this generation did not have.
func (w *Worker) moved(src *source) {
	f, task := &w.forces, record.Unquote(src.task())
	src.from, src.moved = 0, 0
	by := f.plans[0].governs(task)
	for i := range f.plans {
		p := &f.plans[i]
		if now := p.governs(task); now != by {
			src.from, src.moved, by = by, p.since, now
		}
	}
}

// had reports whether a generation had a rule. One that is forgotten had: it was
// replaced long ago.
func (f *forces) had(gen uint32, rule ruleName) bool {
	key := ruleOf{gen, rule}
	had, known := f.rules[key]
	if !known {
		from := f.find(gen)
		had = from == nil || rule.among(from.rules)
		f.rules[key] = had
	}
	return had
}

// ruleOf names a rule of a generation.
type ruleOf struct {
	gen  uint32
	rule ruleName
}

// ruleName tells a rule from all others, over generations: an ID is one rule's in its
// section only.
type ruleName struct {
	section string
	id      program.RuleID
}

func nameOf(r *program.Rule) ruleName { return ruleName{r.Section, r.ID} }

// among reports whether the rule is one of those, and in force.
func (n ruleName) among(rules []program.Rule) bool {
	return slices.ContainsFunc(rules, func(r program.Rule) bool { return nameOf(&r) == n && r.Inert == "" })
}

// Comparison tells how a canary and the rest do, over all workers that are given
// it. It is safe for concurrent use. The zero Comparison is empty.
type Comparison struct {
	mu    sync.Mutex
	sides [2]Side
}

// Side is what one of the two generations has governed.
type Side struct {
	Samples     int64               // read
	By          [ledger.Count]int64 // what became of them; in flight: sent on
	DeadLetters int64               // records that it made too large
	Reports     uint64              // of sources
	LagMs       int64               // sum over the reports, from report_timestamp to reading
}

// Sides returns what the rest and the canary have governed so far.
func (c *Comparison) Sides() (rest, canary Side) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sides[0], c.sides[1]
}

func (c *Comparison) add(side int, did *Side) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.sides[side]
	s.Samples += did.Samples
	s.DeadLetters += did.DeadLetters
	s.Reports += did.Reports
	s.LagMs += did.LagMs
	for d, n := range did.By {
		s.By[d] += n
	}
}

// counts are those of an entry that are told apart by side.
type counts struct {
	in int64
	by [ledger.Count]int64
}

// settle ascribes what was counted since the last time to the generation at hand.
func (w *Worker) settle() {
	f := &w.forces
	if f.compare == nil {
		return
	}
	did := &w.cur.did
	did.Samples += w.entry.In - f.mark.in
	for d, n := range w.entry.By {
		did.By[d] += n - f.mark.by[d]
	}
	f.mark = counts{w.entry.In, w.entry.By}
}

// compared posts what the sides did in a batch.
func (w *Worker) compared() {
	f := &w.forces
	if f.compare == nil {
		return
	}
	w.settle()
	f.mark = counts{}
	for _, x := range [...]*force{f.base, f.candidate} {
		if x != nil {
			f.compare.add(x.side, &x.did)
			x.did = Side{}
		}
	}
}
