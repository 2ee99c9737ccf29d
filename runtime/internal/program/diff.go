package program

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Load is a series as it was reported, and how much of it came.
type Load struct {
	Input
	Samples uint64
	Seconds float64 // of report_timestamp that the samples stand for; 0: not known
	Bytes   uint64  // of the records that brought them, the series' share
}

// Volume is an amount of traffic. Samples and Bytes are per second where the
// traffic tells of time, see Impact.Timed, and totals otherwise.
type Volume struct {
	Series  int     `json:"series"`  // distinct by name and labels
	Samples float64 `json:"samples"` // in the time that was looked at
	Bytes   float64 `json:"bytes"`   // an estimate, see Differ
}

// Impact is what another program does to the same traffic.
type Impact struct {
	Timed     bool       `json:"timed"`     // Samples and Bytes are per second
	Reported  Volume     `json:"reported"`  // as it came in, before any rule
	Unchanged int        `json:"unchanged"` // series that nothing changes for
	Before    Volume     `json:"before"`    // what goes on
	After     Volume     `json:"after"`
	Lost      float64    `json:"lost"`      // samples that went on and do not any more, not even within an aggregate or an overflow
	NewSeries int        `json:"newSeries"` // that go on and have a name or labels that none had before
	Merged    int        `json:"merged"`    // series that share name and labels with another one, and did not before
	Moves     []Moved    `json:"moves"`     // another verdict
	Relabels  []Relabel  `json:"relabels"`  // go on as before, with another name, labels or scale
	Reroutes  []Reroute  `json:"reroutes"`  // go on to somewhere else
	Teams     []Share    `json:"teams"`     // by the tag team of their tasks
	Tasks     []Share    `json:"tasks"`     // those that change, the largest change first, at most MaxTasks
	MoreTasks int        `json:"moreTasks"` // that change and are not listed
	AllTasks  int        `json:"allTasks"`  // of the traffic
	Idle      []RuleAt   `json:"idle"`      // rules in force of the new program that this traffic does not meet
	Shadowed  []Shadowed `json:"shadowed"`  // control rules of the new program that never decide: another one is first
}

// MaxTasks bounds Impact.Tasks, and maxExamples the examples of a group.
const (
	MaxTasks    = 1000
	maxExamples = 3
)

// Moved is a group of series that get another verdict from the same rules.
type Moved struct {
	From     string   `json:"from"`          // kept, dropped, sampled to 0.1, thinned to the last of 1m0s, …
	To       string   `json:"to"`            // how the other program ends them
	Was      *RuleAt  `json:"was,omitempty"` // the rule that decided; none: no rule did
	By       *RuleAt  `json:"by,omitempty"`
	Series   int      `json:"series"` // how many
	Before   Volume   `json:"before"` // what goes on of them; its Series counts as reported
	After    Volume   `json:"after"`
	Examples []string `json:"examples"` // in PromQL notation
}

// Relabel is a group of series that go on as another series, by the same rewrites.
type Relabel struct {
	Name     bool        `json:"name"`            // the name changes
	Labels   []string    `json:"labels"`          // that do, in order: "+new", "-gone", "~another value"
	Scale    *[2]float64 `json:"scale,omitempty"` // factor for values before and after
	By       []RuleAt    `json:"by"`              // rewrites that apply on one side only, or are changed
	Series   int         `json:"series"`          // how many
	Examples [][2]string `json:"examples"`        // before and after
}

// Reroute is a group of series that go on to other sinks or another stream.
type Reroute struct {
	From     string   `json:"from"` // "default sinks", "sinks a, b", "topic x"
	To       string   `json:"to"`   // the sinks then
	By       *RuleAt  `json:"by,omitempty"`
	Series   int      `json:"series"`   // how many
	Examples []string `json:"examples"` // in PromQL notation
}

// Share is what goes on of the series of one task or team.
type Share struct {
	Name   string `json:"name"` // "" for tasks without a team
	Before Volume `json:"before"`
	After  Volume `json:"after"`
}

// RuleAt names a rule and where it is written.
type RuleAt struct {
	Section string   `json:"section"` // of the policy
	Rule    RuleID   `json:"rule"`    // team/name
	Pos     diag.Pos `json:"pos,omitzero"`
}

// Shadowed is a control rule that matches series and decides about none.
type Shadowed struct {
	RuleAt
	By     RuleAt `json:"by"`     // the rule before it that decided about the first of them
	Series int    `json:"series"` // that it matches
	Before bool   `json:"before"` // it was so before, too
}

// Differ runs traffic through two programs and notes what differs. It decides as
// the engine does, by Program.Decide. What goes on of a series follows from its
// verdict: all of it, the share of a sample rule, one sample an interval of a thin
// rule or an aggregate, the rate of a limit rule, and what budgets have room for if
// the series come in the order of the traffic. Bytes are those of the input times the length of
// name and labels after by before, so they tell which way it goes, not what Kafka
// will hold: processed records pack many points.
//
// It keeps some tens of bytes per series and some hundred per task; of series that
// share a limit, a budget of samples or an aggregate with others, some hundred each
// until all are known. It is used from one goroutine.
type Differ struct {
	before, after half
	timed         bool
	span          float64
	changed       map[entryRef]bool

	reported Volume
	same     int
	seen     map[uint64]bool
	lost     float64
	waiting  []compared // whose samples pass a limit together with others
	moves    map[moveKey]*Moved
	relabels map[string]*Relabel
	reroutes map[moveKey]*Reroute
	others   map[moveKey]*Moved

	otherwise map[entryRef]*TransformChange
}

// entryRef names a rule over both programs.
type entryRef struct {
	section string
	rule    RuleID
}

type moveKey struct {
	from, to string
	was, by  entryRef
}

// NewDiffer returns a Differ for traffic that spans some seconds, which hold for
// the series that do not say; 0: nobody knows. changes are those between the sets.
func NewDiffer(before, after *Program, span float64, changes []RuleChange) *Differ {
	d := &Differ{
		span: span, timed: span > 0, changed: map[entryRef]bool{}, seen: map[uint64]bool{},
		moves: map[moveKey]*Moved{}, relabels: map[string]*Relabel{}, reroutes: map[moveKey]*Reroute{}, others: map[moveKey]*Moved{},
		otherwise: map[entryRef]*TransformChange{},
	}
	seed := maphash.MakeSeed()
	d.before.init(before, seed)
	d.after.init(after, seed)
	for _, c := range changes {
		d.changed[entryRef{c.Section, c.Rule}] = true
	}
	return d
}

// weight is what a series counts for: per second, or all of it.
func (d *Differ) weight(l *Load) flow {
	seconds := 1.0
	if d.timed {
		seconds = cmp.Or(l.Seconds, d.span)
	}
	return flow{float64(l.Samples) / seconds, float64(l.Bytes) / seconds}
}

// Add takes one series of the traffic. It is quickest when series that share all
// labels come together and share the slice, which must not change.
func (d *Differ) Add(l *Load) {
	c := compared{in: l.Input, flow: d.weight(l), timed: d.timed}
	c.a, c.b = d.before.judge(&c), d.after.judge(&c)
	if c.a.complete() && c.b.complete() {
		d.note(&c)
		return
	}
	c.a.applied, c.b.applied = slices.Clone(c.a.applied), slices.Clone(c.b.applied)
	d.waiting = append(d.waiting, c)
}

// compared is a series and what both programs make of it.
type compared struct {
	in    Input
	flow  flow
	timed bool
	a, b  judged
}

// note counts a series whose judgements are complete.
func (d *Differ) note(c *compared) {
	d.reported.Samples += c.flow.samples
	d.reported.Bytes += c.flow.bytes
	if id := d.before.hash(c.in.Name, c.in.Labels); !d.seen[id] {
		d.seen[id] = true
		d.reported.Series++
	}
	d.before.count(c.in.Task, &c.a)
	d.after.count(c.in.Task, &c.b)
	d.fates(&c.a, &c.b)
	d.lost += max(0, c.a.kept-c.b.kept)
	moved := c.a.word != c.b.word || c.a.more != c.b.more
	if moved {
		d.move(&c.in, &c.a, &c.b)
	}
	if c.a.goes() && c.b.goes() {
		if c.a.alone == c.b.alone {
			moved = d.relabel(&c.a, &c.b) || moved
		}
		moved = d.reroute(&c.in, &c.a, &c.b) || moved
	}
	if !moved {
		d.same++
		d.otherRule(&c.in, &c.a, &c.b)
	}
}

func (d *Differ) move(in *Input, a, b *judged) {
	was, by := a.by, b.by
	if a.word == b.word {
		was, by = a.besides, b.besides
	}
	d.group(d.moves, in, a, b, was, by)
}

// otherRule notes a series that fares the same, when another rule says so.
func (d *Differ) otherRule(in *Input, a, b *judged) {
	if d.before.ref(a.by) != d.after.ref(b.by) {
		d.group(d.others, in, a, b, a.by, b.by)
	}
}

// OtherRule lists the groups of series that fare the same and owe it to another
// rule. They count as unchanged.
func (d *Differ) OtherRule() []Moved {
	return largest(d.others, func(m *Moved) int { return m.Series })
}

// group counts a series in the group of those with the same words and rules.
func (d *Differ) group(groups map[moveKey]*Moved, in *Input, a, b *judged, was, by int32) {
	key := moveKey{a.word + a.more, b.word + b.more, d.before.ref(was), d.after.ref(by)}
	m := groups[key]
	if m == nil {
		m = &Moved{From: key.from, To: key.to, Was: d.before.at(was), By: d.after.at(by)}
		groups[key] = m
	}
	m.Series++
	m.Before.add(a)
	m.After.add(b)
	if len(m.Examples) < maxExamples {
		m.Examples = append(m.Examples, in.Name+in.Labels.String())
	}
}

func (d *Differ) reroute(in *Input, a, b *judged) bool {
	from, to := destination(&a.Verdict), destination(&b.Verdict)
	if from == to {
		return false
	}
	key := moveKey{from: from, to: to, by: d.after.ref(b.Rule)}
	r := d.reroutes[key]
	if r == nil {
		r = &Reroute{From: from, To: to, By: d.after.at(b.Rule)}
		d.reroutes[key] = r
	}
	r.Series++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, in.Name+in.Labels.String())
	}
	return true
}

// add counts what goes on of one series as it was reported.
func (v *Volume) add(x *judged) {
	if x.goes() {
		v.Series++
	}
	v.Samples += x.out.samples + x.into.samples
	v.Bytes += x.out.bytes + x.into.bytes
}

// Impact sums up. Nothing may be added after it.
func (d *Differ) Impact() *Impact {
	for k := range d.waiting {
		c := &d.waiting[k]
		c.a.share()
		c.b.share()
		d.note(c)
	}
	d.waiting = nil
	i := &Impact{
		Timed: d.timed, Reported: d.reported, Unchanged: d.same, Before: d.before.total, After: d.after.total, Lost: d.lost,
		Moves: largest(d.moves, func(m *Moved) int { return m.Series }), Relabels: largest(d.relabels, func(r *Relabel) int { return r.Series }),
		Reroutes: largest(d.reroutes, func(r *Reroute) int { return r.Series }),
		Teams:    shares(d.before.teams, d.after.teams), AllTasks: len(d.before.tasks),
		Idle: d.after.idle(), Shadowed: d.after.shadowed(&d.before),
	}
	for id := range d.after.out {
		if _, was := d.before.out[id]; !was {
			i.NewSeries++
		}
	}
	i.Merged = max(0, d.after.merged-d.before.merged)
	i.Tasks = slices.DeleteFunc(shares(d.before.tasks, d.after.tasks), func(s Share) bool { return s.Before == s.After })
	slices.SortStableFunc(i.Tasks, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.change(), a.change()), cmp.Compare(a.Name, b.Name))
	})
	if i.MoreTasks = len(i.Tasks) - MaxTasks; i.MoreTasks > 0 {
		i.Tasks = i.Tasks[:MaxTasks]
	}
	i.MoreTasks = max(i.MoreTasks, 0)
	return i
}

// change is by how much a share grows or shrinks, as a number to sort by.
func (s *Share) change() float64 {
	abs := func(x float64) float64 { return max(x, -x) }
	return abs(s.After.Samples-s.Before.Samples) + abs(float64(s.After.Series-s.Before.Series))
}

// shares puts the two sides together, by name.
func shares(before, after map[string]*Volume) []Share {
	all := maps.Clone(before)
	maps.Copy(all, after)
	out := make([]Share, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := Share{Name: name}
		if v := before[name]; v != nil {
			s.Before = *v
		}
		if v := after[name]; v != nil {
			s.After = *v
		}
		out = append(out, s)
	}
	return out
}
