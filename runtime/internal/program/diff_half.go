package program

import (
	"hash/maphash"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// judged is what a program makes of one series.
type judged struct {
	Verdict
	applied []int32 // rewrites; valid until the next series
	word    string  // the verdict for people: what it does now,
	more    string  // and what it may do beside
	by      int32   // rule that word is of, or NoRule
	besides int32   // rule that more is of, or NoRule
	team    string

	alone  bool // it goes on by itself,
	out    flow // as much
	id     uint64
	limits []*neck // that its samples pass, with others

	merge  *Merge // the cell that takes its samples: of an aggregate, or the overflow of a budget
	into   flow   // its part of what the cell sends
	cell   *neck
	cellID uint64

	fates []fate // in transforms

	kept float64 // samples that go on, be it in a cell
}

// goes reports whether the series goes on at all.
func (j *judged) goes() bool { return j.alone || j.merge != nil }

// half is one of the two programs that a Differ compares, and what it makes of
// the traffic.
type half struct {
	program *Program
	seed    maphash.Seed
	memo    Memo
	tally   *tally
	names   map[nameKey]Filter
	source  Filter

	limits   map[neckKey]*neck
	accounts map[neckKey]*Account
	cells    map[uint64]*neck

	out    map[uint64]struct{} // identities that go on
	merged int                 // series that go on by themselves under an identity that was there
	total  Volume
	teams  map[string]*Volume
	tasks  map[string]*Volume

	met  []int   // by rule: series that it decided about or was applied to
	hid  []int   // by control rule: series that it matches and another one decided about
	hide []int32 // by control rule: the first that did
}

type nameKey struct {
	name   string
	kind   metric.Kind
	origin metric.Origin
}

// maxNames bounds the filters that a half remembers.
const maxNames = 8192

func (s *half) init(p *Program, seed maphash.Seed) {
	*s = half{
		program: p, seed: seed, names: map[nameKey]Filter{},
		limits: map[neckKey]*neck{}, accounts: map[neckKey]*Account{}, cells: map[uint64]*neck{},
		out: map[uint64]struct{}{}, teams: map[string]*Volume{}, tasks: map[string]*Volume{},
		tally: newTally(p, seed),
		met:   make([]int, len(p.rules)), hid: make([]int, p.controls), hide: make([]int32, p.controls),
	}
}

// judge decides about a series, and counts which rules had a part in it.
func (s *half) judge(c *compared) judged {
	in, p := &c.in, s.program
	if !p.about(&s.source, in) {
		s.source = p.BySource(in.Task, in.Labels)
		p.tasks.each(in.Task, s.source.job, func(e *taskEntry) { s.met[e.rule]++ })
	}
	x, possible := p.subject(*in, s.byName(in), s.source)
	x.memo = &s.memo
	s.tally.fates, s.memo.tally = nil, s.tally
	j := judged{Verdict: p.run(&x, possible, nil), team: x.task.tags.Get(teamTag)}
	s.transit(&x, &possible, &j.Verdict)
	j.fates = s.tally.fates
	j.by, j.besides = j.Rule, NoRule
	if j.Rule != NoRule && int(j.Rule) < p.controls {
		s.met[j.Rule]++
		s.overtaken(&x, &possible, j.Rule)
	}
	if j.Disposition == ledger.Out {
		j.alone, j.applied, j.merge = true, s.memo.rules, j.Merge
		s.matched(&x, &possible, &j)
		s.flow(c, &j)
	}
	j.word = s.text(&j)
	j.more = s.moreText(&j)
	return j
}

// matched counts the other rules that match: those that come first hide the rest
// of their section, which are counted all the same.
func (s *half) matched(x *subject, c *candidates, j *judged) {
	for _, r := range j.applied {
		s.met[r]++
	}
	for _, charge := range j.Charges {
		s.met[charge.Rule]++
	}
	p := s.program
	for _, section := range [...][2]int{{p.controls, p.degrades}, {p.rewrites, p.aggregates}} {
		for i := c.next(section[0], section[1]); i < section[1]; i = c.next(i+1, section[1]) {
			if s.met[i] == 0 && p.rules[i].mismatch(x) == "" {
				s.met[i]++
			}
		}
	}
}

func (s *half) byName(in *Input) Filter {
	key := nameKey{in.Name, in.Kind, in.Origin}
	f, ok := s.names[key]
	if !ok {
		if len(s.names) >= maxNames {
			clear(s.names)
		}
		f = s.program.ByName(in.Name, in.Kind, in.Origin)
		s.names[key] = f
	}
	return f
}

// overtaken counts the control rules behind the one that decided which match, too,
// as long as they have decided about nothing.
func (s *half) overtaken(x *subject, c *candidates, by int32) {
	p := s.program
	for i := c.next(int(by)+1, p.controls); i < p.controls; i = c.next(i+1, p.controls) {
		if s.met[i] > 0 || p.rules[i].mismatch(x) != "" {
			continue
		}
		if s.hid[i]++; s.hid[i] == 1 {
			s.hide[i] = by
		}
	}
}

// hash identifies a series by what a store knows it by.
func (s *half) hash(name string, labels metric.Labels) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(name)
	for _, l := range labels {
		h.WriteByte(0)
		h.WriteString(l.Name)
		h.WriteByte(0)
		h.WriteString(l.Value)
	}
	return h.Sum64()
}

// count adds a judgement to the sums.
func (s *half) count(task string, j *judged) {
	v := Volume{Samples: j.out.samples + j.into.samples, Bytes: j.out.bytes + j.into.bytes}
	if j.alone {
		if s.isNew(j.id) {
			v.Series++
		} else {
			s.merged++
		}
	}
	if j.merge != nil && s.isNew(j.cellID) {
		v.Series++
	}
	for _, sum := range [...]*Volume{&s.total, newIn(s.teams, j.team), newIn(s.tasks, task)} {
		sum.Series += v.Series
		sum.Samples += v.Samples
		sum.Bytes += v.Bytes
	}
}

func (s *half) isNew(id uint64) bool {
	n := len(s.out)
	s.out[id] = struct{}{}
	return len(s.out) > n
}

// at names a rule of the side, nil for none.
func (s *half) at(rule int32) *RuleAt {
	if rule == NoRule {
		return nil
	}
	r := &s.program.rules[rule]
	return &RuleAt{r.Section, r.ID, r.Pos}
}

func (s *half) ref(rule int32) entryRef {
	if rule == NoRule {
		return entryRef{}
	}
	return entryRef{s.program.rules[rule].Section, s.program.rules[rule].ID}
}

// idle lists the rules in force that met nothing at all.
func (s *half) idle() []RuleAt {
	out := []RuleAt{}
	for i := range s.program.rules {
		r := &s.program.rules[i]
		if r.Inert == "" && s.met[i] == 0 && (i >= len(s.hid) || s.hid[i] == 0) {
			out = append(out, *s.at(int32(i)))
		}
	}
	return out
}

// shadowed lists the control rules that match and never decide.
func (s *half) shadowed(before *half) []Shadowed {
	was := map[entryRef]bool{}
	for i, n := range before.hid {
		was[before.ref(int32(i))] = n > 0 && before.met[i] == 0
	}
	out := []Shadowed{}
	for i, n := range s.hid {
		if n > 0 && s.met[i] == 0 {
			out = append(out, Shadowed{RuleAt: *s.at(int32(i)), By: *s.at(s.hide[i]), Series: n, Before: was[s.ref(int32(i))]})
		}
	}
	return out
}
