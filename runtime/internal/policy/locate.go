package policy

import (
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// A locator knows where the values of a team were written. Paths are those within
// policy, such as control.a.rate.
type locator struct {
	team  string
	tree  func() *tree // of policy
	known Provenance   // by team.section.name, and .field, and the fields of those that are structs
}

// locateAgain is a locator for a team that was evaluated before, or in another
// process. It parses the files when it is asked for a place that is not known.
func locateAgain(j *judged, pkg teamPackage, snap Snapshot) *locator {
	return &locator{team: j.Team.Name, known: j.Known, tree: sync.OnceValue(func() *tree {
		sources, _ := parseAll(snap, pkg.Files) // they did parse
		return plant(sources, func([]string, fieldName, site) {}).fields[policyField]
	})}
}

// locate records where each rule, and each of its fields that an author gave, is written.
func locate(team string, t *tree, policy cue.Value, own map[string]bool) *locator {
	l := &locator{team: team, tree: func() *tree { return t.fields[policyField] }, known: Provenance{}}
	for _, section := range sections {
		rules, err := policy.LookupPath(cue.MakePath(cue.Str(section))).Fields()
		if err != nil {
			continue // the section is not there
		}
		for rules.Next() {
			l.rule([]string{section, rules.Selector().Unquoted()}, rules.Value(), own)
		}
	}
	return l
}

func (l *locator) rule(path []string, rule cue.Value, own map[string]bool) {
	sites := l.tree().find(path)
	if i := slices.IndexFunc(sites, func(s site) bool { return !s.maybe }); len(sites) > 0 {
		l.record(path, sites[max(i, 0)].pos())
	}
	l.fields(path, rule, own)
}

// fields records the fields of a struct that an author gave, and theirs: what a
// match says of metrics may be written elsewhere than what it says of tasks.
func (l *locator) fields(path []string, of cue.Value, own map[string]bool) {
	if of.IncompleteKind() != cue.StructKind {
		return
	}
	fields, err := of.Fields()
	if err != nil {
		return
	}
	for fields.Next() {
		at := append(path[:len(path):len(path)], fields.Selector().Unquoted())
		if pos := l.field(at, fields.Value().Pos(), own); pos.IsValid() {
			l.record(at, pos)
			l.fields(at, fields.Value(), own)
		}
	}
}

// ruleField is how long the path of a field of a rule is: section, name, field.
const ruleField = 3

// field returns where the value of a field of a rule is written, and the name of a
// field within one: its value is a list, whose bracket says little. set is what CUE
// says set it: the file of an author, or the schema when it is a default.
func (l *locator) field(path []string, set token.Pos, own map[string]bool) token.Pos {
	written := func(s site) token.Pos {
		if len(path) > ruleField {
			return s.pos()
		}
		return s.value.Pos()
	}
	sites := l.tree().find(path)
	for _, s := range sites {
		if s.value.Pos() == set {
			return written(s)
		}
	}
	for _, s := range sites {
		if !s.maybe {
			return written(s)
		}
	}
	if own[set.Filename()] {
		return set
	}
	return token.NoPos
}

func (l *locator) record(path []string, pos token.Pos) { l.known[l.key(path)] = place(pos) }

func (l *locator) key(path []string) string { return l.team + "." + pathString(path) }

// pos returns where the value at path is written, or the nearest part of path that
// has a known place.
func (l *locator) pos(path ...string) diag.Pos {
	if sites := l.tree().find(path); len(sites) == 1 {
		return place(sites[0].value.Pos())
	}
	for n := len(path); n > 0; n-- {
		if p, ok := l.known[l.key(path[:n])]; ok {
			return p
		}
		if sites := l.tree().find(path[:n]); n > 2 && len(sites) == 1 {
			return place(sites[0].value.Pos())
		}
	}
	return diag.Pos{}
}

// found is a finding about the value at path.
func (l *locator) found(code diag.Code, message string, path ...string) diag.Diagnostic {
	return diag.Diagnostic{
		Code: code, Pos: l.pos(path...), Message: message,
		Path: strings.Join([]string{policyField, pathString(path)}, "."),
	}
}
