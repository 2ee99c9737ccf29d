package program

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// collector derives a control document from a program.
type collector struct {
	program  *Program
	sides    []side // none: of the whole set, nothing is resolved
	doc      Collect
	sampling bool            // a rule tells series apart by the labels that they are reported with
	read     map[string]bool // labels that a rule of the document reads or writes
}

// side is what the records of a task look like to the rules: with the job name
// on them, or without any.
type side struct {
	task, job string
	info      *taskInfo
}

// on says for which sides something holds.
type on []bool

func (o on) every() bool { return !slices.Contains(o, false) && len(o) > 0 }
func (o on) any() bool   { return slices.Contains(o, true) }

func newCollector(p *Program, sides []side) *collector {
	return &collector{
		program: p, sides: sides, read: map[string]bool{},
		doc: Collect{Version: collectVersion, Rules: []CollectRule{}, Labels: []CollectLabels{}},
	}
}

func (c *collector) each(holds func(*side) bool) on {
	out := make(on, len(c.sides))
	for i := range c.sides {
		out[i] = holds(&c.sides[i])
	}
	return out
}

func (c *collector) disabled() on {
	return c.each(func(s *side) bool { return s.info.disabled != NoRule })
}

// disabledBy is the entry that switches one of the sides off.
func (c *collector) disabledBy() int32 {
	i := slices.IndexFunc(c.sides, func(s side) bool { return s.info.disabled != NoRule })
	return c.sides[i].info.disabled
}

// document adds rules and labels, each section in the order of evaluation.
func (c *collector) document() *Collect {
	p := c.program
	for i := range p.controls {
		r := &p.rules[i]
		m, ok := c.resolve(r)
		if !ok {
			continue
		}
		c.note(r)
		c.sampling = c.sampling || r.control.step.Kind == SampleStep
		rule := r.control.collect()
		rule.ID, rule.Match, rule.Unless, rule.Team = r.ID, m.match, m.unless, m.team
		c.doc.Rules = append(c.doc.Rules, rule)
		if m.always() {
			break // nothing behind it can decide
		}
	}
	var drops []*rule
	var matches []resolved
	for i := p.controls; i < p.rewrites; i++ {
		r := &p.rules[i]
		m, ok := c.resolve(r)
		if !ok {
			continue
		}
		c.note(r)
		c.sampling = c.sampling || r.degrade != nil && r.degrade.share > 0
		if r.drops != nil {
			drops, matches = append(drops, r), append(matches, m)
		}
	}
	for i := p.rewrites; i < p.n; i++ { // members of an aggregate must stay apart
		if r := &p.rules[i]; r.Inert == "" {
			c.note(r)
			c.sampling = true
		}
	}
	for i, r := range drops { // when all that is read is known
		if names := c.droppable(r.drops); len(names) > 0 {
			m := matches[i]
			c.doc.Labels = append(c.doc.Labels, CollectLabels{r.ID, names, m.match, m.unless, m.team})
		}
	}
	return &c.doc
}

// collect says what a reporter can do of what the rule does. A limit counts
// samples of many reporters, max and min are known when the interval is over,
// and a route to sinks is written on what the program sends out.
func (c *control) collect() CollectRule {
	switch {
	case c.drop:
		return CollectRule{Do: CollectDrop}
	case c.step.Kind == SampleStep && c.wholeSeries:
		return CollectRule{Do: CollectSample, Share: c.step.Share, By: "series"}
	case c.step.Kind == SampleStep:
		return CollectRule{Do: CollectSample, Share: c.step.Share, By: "record"}
	case c.step.Kind == ThinStep && c.step.Pick == Last:
		return CollectRule{Do: CollectThin, Every: c.step.Every.Milliseconds(), Pick: "last"}
	case c.step.Kind == ThinStep && c.step.Pick == First:
		return CollectRule{Do: CollectThin, Every: c.step.Every.Milliseconds(), Pick: "first"}
	case c.input != "":
		return CollectRule{Do: CollectTopic, Topic: c.input}
	case c.step.Kind != NoStep || len(c.to) > 0:
		return CollectRule{Do: CollectSend}
	}
	return CollectRule{Do: CollectKeep}
}

// resolved are the conditions of a rule that remain.
type resolved struct {
	match  policy.Match
	unless *policy.Match
	team   string
}

func (r *resolved) always() bool { return r.unless == nil && r.team == "" && empty(&r.match) }

// resolve evaluates what is known of the sides and writes down the rest; not ok
// when the rule cannot match.
func (c *collector) resolve(r *rule) (resolved, bool) {
	if r.Inert != "" {
		return resolved{}, false
	}
	if c.sides == nil {
		out := resolved{match: r.match.text(true), team: r.team}
		if r.unless != nil {
			unless := r.unless.text(true)
			out.unless = &unless
		}
		return out, out.unless == nil || !empty(out.unless)
	}
	matches := c.each(func(s *side) bool {
		return (r.team == "" || s.info.tags.Get(teamTag) == r.team) && r.match.about(s)
	})
	if !matches.any() {
		return resolved{}, false
	}
	out := resolved{match: r.match.text(false)}
	c.only(&out.match, matches)
	if r.unless == nil {
		return out, true
	}
	excepted := c.each(r.unless.about)
	if !excepted.any() {
		return out, true
	}
	unless := r.unless.text(false)
	c.only(&unless, excepted)
	out.unless = &unless
	return out, !empty(out.unless)
}

// only makes a match ask for the sides that it is about.
func (c *collector) only(m *policy.Match, about on) {
	if about.every() {
		return
	}
	labels := map[string][]string{jobLabel: {literally(c.sides[slices.Index(about, true)].job)}}
	for name, values := range m.Labels {
		labels[name] = values
	}
	m.Labels = labels
}

// about reports whether the conditions hold that depend on the side alone.
func (s *selector) about(of *side) bool {
	if len(s.tasks) > 0 && !s.tasks.match(of.task) && (of.job == "" || !s.tasks.match(of.job)) {
		return false
	}
	for i := range s.tags {
		if c := &s.tags[i]; !c.values.match(of.info.tags.Get(c.name)) {
			return false
		}
	}
	i := slices.IndexFunc(s.labels, func(c condition) bool { return c.name == jobLabel })
	return i < 0 || s.labels[i].values.match(of.job)
}

// text writes a selector down, without conditions that always hold. Those on
// tasks, tags and job name are written only if all are wanted.
func (s *selector) text(all bool) policy.Match {
	m := policy.Match{Metrics: s.metrics.texts(), Kinds: wordTexts(s.kinds, metric.Histogram), Origin: wordTexts(s.origins, metric.Event)}
	if all {
		m.Tasks, m.Tags = s.tasks.texts(), texts(s.tags, "")
		m.Labels = texts(s.labels, "")
	} else {
		m.Labels = texts(s.labels, jobLabel)
	}
	return m
}

// texts writes conditions down, but for the one on the name without.
func texts(conditions []condition, without string) map[string][]string {
	var out map[string][]string
	for i := range conditions {
		c := &conditions[i]
		if list := c.values.texts(); list != nil && c.name != without {
			if out == nil {
				out = map[string][]string{}
			}
			out[c.name] = list
		}
	}
	return out
}

// texts writes patterns down; nil for those that match everything.
func (ps patterns) texts() []string {
	var out []string
	for i := range ps {
		if ps[i].form == everything {
			return nil
		}
		out = append(out, ps[i].String())
	}
	return out
}

func empty(m *policy.Match) bool {
	return len(m.Tasks)+len(m.Metrics)+len(m.Labels)+len(m.Tags)+len(m.Kinds)+len(m.Origin) == 0
}
