package program

import (
	"cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// teamTag is the tag that says whose task it is.
const teamTag = "team"

// taskInfo is what the entries of the task section say about one task.
type taskInfo struct {
	tags     metric.Labels
	disabled int32 // position in Program.rules of the entry that switches it off, or NoRule
}

// taskEntry is an entry of the task section that holds today.
type taskEntry struct {
	match    patterns
	team     string // "": of the platform, or of the only team
	tags     metric.Labels
	disabled bool
	rule     int32
}

// tasks are the entries by precedence: the platform's first, then by name.
type tasks struct {
	entries []taskEntry
	index   *index
}

// info gathers what the entries that match a task say. The first entry to give a
// tag wins.
func (t *tasks) info(task, job string) *taskInfo {
	info := &taskInfo{disabled: NoRule}
	t.each(task, job, func(e *taskEntry) {
		for _, tag := range e.tags {
			if info.tags.Get(tag.Name) == "" {
				info.tags = info.tags.Set(tag.Name, tag.Value)
			}
		}
		if e.disabled && info.disabled == NoRule {
			info.disabled = e.rule
		}
	})
	return info
}

// each visits the entries that hold for a task, by precedence. An entry of a team
// counts only for tasks that are the team's: those that no entry before gave to
// another one.
func (t *tasks) each(task, job string, visit func(*taskEntry)) {
	if len(t.entries) == 0 {
		return
	}
	hits := newBitset(len(t.entries))
	copy(hits, t.index.always)
	t.index.mark(hits, task)
	if job != "" {
		t.index.mark(hits, job)
	}
	team := t.owner(hits)
	c := candidates{hits}
	for i := c.next(0, len(t.entries)); i < len(t.entries); i = c.next(i+1, len(t.entries)) {
		if e := &t.entries[i]; e.team == "" || e.team == team {
			visit(e)
		}
	}
}

// owner is the team that the first of the entries gives the task to.
func (t *tasks) owner(hits bitset) string {
	c := candidates{hits}
	for i := c.next(0, len(t.entries)); i < len(t.entries); i = c.next(i+1, len(t.entries)) {
		if team := t.entries[i].tags.Get(teamTag); team != "" {
			return team
		}
	}
	return ""
}

// taskSection compiles the task sections of all teams.
func (c *compiler) taskSection(set *policy.Set) tasks {
	var t tasks
	all := entries(nil, set, c.from, SectionTask, func(t *policy.Team) map[string]policy.Task { return t.Task },
		func(policy.Task) (rank, order int) { return 0, 0 })
	for _, e := range sorted(all, c.compareTasks) {
		at, v := e.place, e.of.Task[e.name]
		r := c.add(e, "tag", v.Description)
		if !v.Enabled {
			r.Action = "disable"
		}
		if until := v.Until; until != "" && c.today > until {
			r.Inert = "held until " + until
		}
		c.off(r)
		ps := c.patterns(v.Match.Tasks, at, ".match.tasks")
		if r.Inert == "" {
			t.entries = append(t.entries, taskEntry{
				match: ps, team: c.scope(at.team), tags: c.tags(&v, at), disabled: !v.Enabled, rule: int32(len(c.rules) - 1),
			})
		}
	}
	t.entries = append(t.entries, c.tasksOff()...)
	t.index = newIndex(len(t.entries))
	for i := range t.entries {
		t.index.add(int32(i), t.entries[i].match)
	}
	return t
}

// overrideTeam stands where a rule has its team, for the entries of overrides.
const overrideTeam = "override"

// tasksOff compiles the overrides on tasks: entries that hold for tasks of all teams.
func (c *compiler) tasksOff() (entries []taskEntry) {
	for _, o := range c.overrides {
		if o.Tasks == "" {
			continue
		}
		r := rule{Rule: Rule{ID: RuleID(overrideTeam + "/" + o.ID), Section: SectionTask, Action: "disable", Description: o.Why}}
		entries = append(entries, taskEntry{
			match: c.patterns([]string{o.Tasks}, place{field: string(r.ID)}, ""), disabled: true, rule: int32(len(c.rules)),
		})
		c.rules = append(c.rules, r)
	}
	return entries
}

// compareTasks puts the platform's entries first, then goes by name.
func (c *compiler) compareTasks(a, b *sectionEntry) int {
	rank := func(team string) int { return min(len(c.scope(team)), 1) }
	return cmp.Or(cmp.Compare(rank(a.team), rank(b.team)), cmp.Compare(a.name, b.name), cmp.Compare(a.team, b.team))
}

// tags are the tags of an entry. In a set of several teams, an entry gives its
// tasks to its team, and only the platform may give them to another one.
func (c *compiler) tags(t *policy.Task, at place) metric.Labels {
	var tags metric.Labels
	for name, value := range t.Tags {
		tags = tags.Set(name, value)
	}
	if own := c.scope(at.team); own != "" {
		if is := tags.Get(teamTag); is != "" && is != own {
			c.fail(diag.WrongTeam, at.in(".tags."+teamTag), "an entry of team "+own+" cannot give tasks to team "+is,
				"leave the tag out, or let team "+policy.PlatformTeam+" write the entry")
		}
		tags = tags.Set(teamTag, own)
	}
	return tags
}
