package program

import (
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Options are what compiling needs beside the set.
type Options struct {
	// Today decides which rules have expired, by its day in UTC. The zero time
	// lets no rule expire.
	Today time.Time

	// Provenance places findings and rules where their authors wrote them. It may
	// be nil.
	Provenance policy.Provenance

	// Overrides switch off what the set has on.
	Overrides []Override

	// Plugins makes the plugins of transforms ready. Without it, a set that has a
	// transform in force does not compile.
	Plugins Plugins
}

// Override switches a rule, or tasks, off. One of Rule and Tasks is given.
type Override struct {
	ID      string // of one on tasks: its entry is the rule override/ID
	Section string // of Rule
	Rule    RuleID // that is off; one that the set has not, or not in force, stays as it is
	Tasks   string // pattern of the tasks that are off
	Why     string // who, why and until when, for people
}

// Compile turns a policy set into a program. It reports what would not run:
// patterns, words, durations and targets of routes that mean nothing. A set that
// package policy has loaded has none of these. The program is nil when a finding
// is an error.
func Compile(set *policy.Set, opts Options) (*Program, []diag.Diagnostic) {
	c := &compiler{set: set, from: opts.Provenance, overrides: opts.Overrides, plugins: opts.Plugins}
	if !opts.Today.IsZero() {
		c.today = opts.Today.UTC().Format(time.DateOnly)
	}
	c.rules = make([]rule, 0, opts.rules(set))
	c.controls()
	p := &Program{controls: len(c.rules)}
	c.degrades()
	p.degrades = len(c.rules)
	c.rewrites()
	p.rewrites = len(c.rules)
	c.aggregates()
	p.aggregates = len(c.rules)
	c.budgets()
	p.n = len(c.rules)
	p.tasks = c.taskSection(set)
	p.rules = c.rules
	label(p.rules)
	p.from = opts.Provenance
	if slices.ContainsFunc(c.findings, func(d diag.Diagnostic) bool { return d.Severity == diag.Error }) {
		return nil, c.findings
	}
	p.buildIndexes()
	return p, c.findings
}

// rules is how many rules a program has.
func (o *Options) rules(set *policy.Set) int {
	n := len(o.Overrides)
	for i := range set.Teams {
		t := &set.Teams[i]
		n += len(t.Control) + len(t.Degrade) + len(t.Rewrite) + len(t.Transform) + len(t.Aggregate) + len(t.Budget) + len(t.Task)
	}
	return n
}

// compiler gathers rules and findings of one set.
type compiler struct {
	set      *policy.Set
	from     policy.Provenance
	today    string // 2026-12-31, "" when nothing expires
	rules    []rule
	findings []diag.Diagnostic

	room        patterns                  // what lists of patterns are cut from
	expressions map[string]pattern        // that were compiled, by their text
	controlled  map[plainControl]*control // that rules share

	overrides []Override
	plugins   Plugins
}

// off switches a rule off that an override is on.
func (c *compiler) off(r *rule) {
	for i := range c.overrides {
		if o := &c.overrides[i]; o.Tasks == "" && o.Rule == r.ID && o.Section == r.Section && r.Inert == "" {
			r.Inert = o.Why
		}
	}
}

// fail reports an error at a place, or at the closest field around it whose place is known.
func (c *compiler) fail(code diag.Code, at place, message, hint string) {
	path := at.String()
	c.findings = append(c.findings, diag.Diagnostic{Code: code, Pos: c.from.Near(path), Path: path, Message: message, Hint: hint})
}

// add appends a rule, which is whole when the next one is added.
func (c *compiler) add(e *sectionEntry, action, description string) *rule {
	c.rules = append(c.rules, rule{Rule: Rule{ID: e.id(), Section: e.section, Action: action, Description: description, Pos: e.pos}})
	return &c.rules[len(c.rules)-1]
}

// scope is the team to whose tasks a team's rules are bound, "" for all tasks.
func (c *compiler) scope(team string) string {
	if len(c.set.Teams) < 2 || team == policy.PlatformTeam {
		return ""
	}
	return team
}

// ordered adds a rule with what those of all sections but task have in common.
func (c *compiler) ordered(o *policy.Ordered, e *sectionEntry, action string) *rule {
	r := c.add(e, action, o.Description)
	r.team = c.scope(e.team)
	switch {
	case !o.Enabled:
		r.Inert = "disabled"
	case o.Expires != "" && c.today >= o.Expires:
		r.Inert = "expired on " + o.Expires
	}
	c.off(r)
	r.match = c.selector(&o.Match, e.in(".match"))
	if o.Unless != nil {
		unless := c.selector(o.Unless, e.in(".unless"))
		r.unless = &unless
	}
	return r
}

// buildIndexes prepares ByName and BySource.
func (p *Program) buildIndexes() {
	live := newBitset(p.n)
	p.metrics, p.byTask, p.teams = newIndex(p.n), newIndex(p.n), newIndex(p.n)
	labels, tags := map[string]*index{}, map[string]*index{}
	for i := range p.n {
		m := &p.rules[i].match
		for _, c := range m.labels {
			if c.name != metric.SubtaskLabel && c.name != metric.AttemptLabel { // of a point, never of its source
				p.indexField(labels, c.name)
			}
		}
		for _, c := range m.tags {
			p.indexField(tags, c.name)
		}
	}
	for k := range p.kinds {
		p.kinds[k] = newBitset(p.n)
	}
	for o := range p.origins {
		p.origins[o] = newBitset(p.n)
	}
	for i := range p.n {
		r, id := &p.rules[i], int32(i)
		if r.Inert == "" {
			live.add(id)
		}
		p.metrics.add(id, r.match.metrics)
		p.byTask.add(id, r.match.tasks)
		p.teams.add(id, ownTeam(r.team))
		for k := range p.kinds {
			if r.match.kinds.has(uint8(k)) {
				p.kinds[k].add(id)
			}
		}
		for o := range p.origins {
			if r.match.origins.has(uint8(o)) {
				p.origins[o].add(id)
			}
		}
		addConditions(labels, id, r.match.labels)
		addConditions(tags, id, r.match.tags)
	}
	p.live, p.labels, p.tags = live, byField(labels), byField(tags)
}

// indexField makes the index of a label or tag, once.
func (p *Program) indexField(indexes map[string]*index, name string) {
	if indexes[name] == nil {
		indexes[name] = newIndex(p.n)
	}
}

func ownTeam(team string) patterns {
	if team == "" {
		return nil
	}
	return patterns{{form: literal, text: team}}
}

// addConditions adds a rule to the index of every field, with its condition on it if it has one.
func addConditions(indexes map[string]*index, rule int32, conditions []condition) {
	for name, x := range indexes {
		i := slices.IndexFunc(conditions, func(c condition) bool { return c.name == name })
		if i < 0 {
			x.always.add(rule)
		} else {
			x.add(rule, conditions[i].values)
		}
	}
}

// fieldIndex is the index of one label or tag.
type fieldIndex struct {
	name string
	*index
}

func byField(m map[string]*index) []fieldIndex {
	out := make([]fieldIndex, 0, len(m))
	for _, name := range sortedKeys(m) {
		out = append(out, fieldIndex{name, m[name]})
	}
	return out
}

// label names the rules so that no two sections share a name.
func label(rules []rule) {
	first := make(map[RuleID]int, len(rules))
	for i := range rules {
		r := &rules[i].Rule
		r.Label = r.ID
		j, again := first[r.ID]
		if !again {
			first[r.ID] = i
		} else if other := &rules[j].Rule; other.Section != r.Section {
			r.Label, other.Label = r.sectioned(), other.sectioned()
		}
	}
}

func (r *Rule) sectioned() RuleID { return RuleID(r.Section) + ":" + r.ID }
