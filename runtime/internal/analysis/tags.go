package analysis

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// entry is an entry of the task section that holds today, as package program
// understands it: the first to give a tag wins, the first to give the tag team
// says whose the task is, and entries of other teams do not count then.
type entry struct {
	team     string // "" for the platform or the only team
	tasks    *automaton.Set
	tags     map[string]string
	disabled bool
}

// readEntries lists the entries by precedence: the platform's first, then by name.
func (a *analyser) readEntries() {
	type named struct {
		team, scope, name string
		task              policy.Task
	}
	var all []named
	for i := range a.set.Teams {
		t := &a.set.Teams[i]
		scope := t.Name
		if len(a.set.Teams) < 2 || scope == policy.PlatformTeam {
			scope = ""
		}
		for name, v := range t.Task {
			if v.Until == "" || a.today() <= v.Until {
				all = append(all, named{t.Name, scope, name, v})
			}
		}
	}
	slices.SortFunc(all, func(x, y named) int {
		return cmp.Or(min(len(x.scope), 1)-min(len(y.scope), 1), cmp.Compare(x.name, y.name), cmp.Compare(x.team, y.team))
	})
	for _, n := range all {
		set, err := a.patterns(n.task.Match.Tasks)
		if err != nil {
			set = a.text.nothing // fewer examples are found
		}
		e := entry{team: n.scope, tasks: set, tags: maps.Clone(n.task.Tags), disabled: !n.task.Enabled}
		if e.team != "" {
			if e.tags == nil {
				e.tags = map[string]string{}
			}
			e.tags[teamTag] = e.team
		}
		a.entries = append(a.entries, e)
	}
}

// realise narrows a region to a task that has the tags asked for and is not
// switched off.
func (v *solver) realise(r region) (region, bool, error) {
	if len(v.entries) == 0 {
		holds := v.tagsHold(&r)
		return r, holds, nil
	}
	var unsure error
	for team, atoms := range v.owners {
		if i, asked := r.find(v.dim(tagDim + teamTag)); asked && !r.dims[i].holds(team) {
			continue
		}
		next, ok, err := v.narrow(r, holds(atoms...))
		entries := v.entriesOf(team)
		if ok && err == nil { // first: what a tag is taken from may switch its tasks off
			next, ok, err = v.enabled(next, entries)
		}
		for i := 0; i < len(r.dims) && ok && err == nil; i++ {
			if tag, isTag := v.tag(r.dims[i].dim); isTag && tag != teamTag {
				next, ok, err = v.tagged(next, entries, tag, &r.dims[i])
			}
		}
		if ok && err == nil && v.tagsHold(&next) {
			return next, true, nil
		}
		unsure = cmp.Or(unsure, err)
	}
	return r, false, unsure
}

// tag is the name of the tag that a dimension is.
func (a *analyser) tag(dim int) (name string, ok bool) {
	if dim < dimFirst {
		return "", false
	}
	return strings.CutPrefix(a.dimNames[dim-dimFirst], tagDim)
}

// tagsHold reports whether the example's task has the tags asked for: the search
// went by its id, and its job may have brought others.
func (v *solver) tagsHold(r *region) bool {
	tags, off := v.tagsOf(v.example(r, dimTask), v.example(r, dimJob))
	return !off && !slices.ContainsFunc(r.dims, func(c constraint) bool {
		tag, isTag := v.tag(c.dim)
		return isTag && !c.holds(tags[tag])
	})
}

// tagsOf are the tags of a task, and whether it is switched off.
func (a *analyser) tagsOf(task, job string) (tags map[string]string, off bool) {
	var hits []entry
	team := ""
	for _, e := range a.entries {
		if e.tasks.Match(task) || job != "" && e.tasks.Match(job) {
			hits = append(hits, e)
			team = cmp.Or(team, e.tags[teamTag])
		}
	}
	tags = map[string]string{}
	for _, e := range hits {
		if e.team != "" && e.team != team {
			continue
		}
		for tag, value := range e.tags {
			tags[tag] = cmp.Or(tags[tag], value)
		}
		off = off || e.disabled
	}
	return tags, off
}

func (c *constraint) holds(value string) bool {
	for _, s := range c.all {
		if !s.Match(value) {
			return false
		}
	}
	for _, s := range c.but {
		if s.Match(value) {
			return false
		}
	}
	return true
}

// owners goes through the teams that tasks can be of, with what tells their tasks,
// and then the tasks of nobody. The atoms are valid until the next ones.
func (v *solver) owners(yield func(team string, atoms []atom) bool) {
	var before, both []atom
	for _, e := range v.entries {
		team := e.tags[teamTag]
		if team == "" {
			continue
		}
		both = append(append(both[:0], atom{dimTask, e.tasks, false}), before...)
		if !yield(team, both) {
			return
		}
		before = append(before, atom{dimTask, e.tasks, true})
	}
	yield("", before)
}

// entriesOf are the entries that count for the tasks of a team.
func (v *solver) entriesOf(team string) (out []entry) {
	for _, e := range v.entries {
		if e.team == "" || e.team == team {
			out = append(out, e)
		}
	}
	return out
}

// tagged narrows a region to tasks whose tag meets a constraint.
func (v *solver) tagged(r region, entries []entry, tag string, c *constraint) (region, bool, error) {
	var before []atom
	var unsure error
	for _, e := range entries {
		value := e.tags[tag]
		if value == "" {
			continue
		}
		if c.holds(value) {
			next, ok, err := v.narrow(r, holds(append(slices.Clone(before), atom{dimTask, e.tasks, false})...))
			if ok && err == nil {
				return next, true, nil
			}
			unsure = cmp.Or(unsure, err)
		}
		before = append(before, atom{dimTask, e.tasks, true})
	}
	if c.holds("") {
		return v.narrow(r, holds(before...))
	}
	return r, false, unsure
}

// enabled narrows a region to tasks that no entry switches off.
func (v *solver) enabled(r region, entries []entry) (region, bool, error) {
	var off []atom
	for _, e := range entries {
		if e.disabled {
			off = append(off, atom{dimTask, e.tasks, true})
		}
	}
	return v.narrow(r, holds(off...))
}
