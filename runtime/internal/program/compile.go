package program

import (
	"cmp"
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

// fail reports an error at path, or at the closest field around it whose place is known.
func (c *compiler) fail(code diag.Code, path, message, hint string) {
	c.findings = append(c.findings, diag.Diagnostic{Code: code, Pos: c.from.Near(path), Path: path, Message: message, Hint: hint})
}

func (c *compiler) path(team, section, name string) string {
	return team + "." + section + "." + name
}

func (c *compiler) describe(team, section, name, description string) Rule {
	return Rule{
		ID: RuleID(team + "/" + name), Section: section, Description: description,
		Pos: c.from.Near(c.path(team, section, name)),
	}
}

// scope is the team to whose tasks a team's rules are bound, "" for all tasks.
func (c *compiler) scope(team string) string {
	if len(c.set.Teams) < 2 || team == policy.PlatformTeam {
		return ""
	}
	return team
}

// named is an entry of a section.
type named[T any] struct {
	team, name string
	value      T
}

// inOrder lists one section of all teams in the order of compare.
func inOrder[T any](set *policy.Set, section func(*policy.Team) map[string]T, compare func(a, b *named[T]) int) []*named[T] {
	n := 0
	for i := range set.Teams {
		n += len(section(&set.Teams[i]))
	}
	entries, all := make([]named[T], 0, n), make([]*named[T], n)
	for i := range set.Teams {
		t := &set.Teams[i]
		for name, v := range section(t) {
			entries = append(entries, named[T]{t.Name, name, v})
		}
	}
	for i := range entries {
		all[i] = &entries[i]
	}
	slices.SortFunc(all, compare)
	return all
}

func compareOrdered[T any](a, b *named[T], orderA, orderB int) int {
	if orderA != orderB {
		return cmp.Compare(orderA, orderB)
	}
	if a.team != b.team {
		return cmp.Compare(a.team, b.team)
	}
	return cmp.Compare(a.name, b.name)
}

// ordered compiles what control rules and rewrites have in common.
func (c *compiler) ordered(o *policy.Ordered, team, section, name, action string) rule {
	path := c.path(team, section, name)
	r := rule{Rule: c.describe(team, section, name, o.Description), team: c.scope(team)}
	r.Action = action
	switch {
	case !o.Enabled:
		r.Inert = "disabled"
	case o.Expires != "" && c.today >= o.Expires:
		r.Inert = "expired on " + o.Expires
	}
	c.off(&r)
	r.match = c.selector(&o.Match, path+".match")
	if o.Unless != nil {
		unless := c.selector(o.Unless, path+".unless")
		r.unless = &unless
	}
	return r
}

// buildIndexes prepares ByName and BySource.
func (p *Program) buildIndexes() {
	live := newBitset(p.n)
	p.metrics, p.byTask, p.teams = newIndex(p.n), newIndex(p.n), newIndex(p.n)
	labels, tags := map[string]*index{}, map[string]*index{}
	for _, r := range p.rules[:p.n] {
		for _, c := range r.match.labels {
			if c.name != metric.SubtaskLabel && c.name != metric.AttemptLabel { // of a point, never of its source
				labels[c.name] = newIndex(p.n)
			}
		}
		for _, c := range r.match.tags {
			tags[c.name] = newIndex(p.n)
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
