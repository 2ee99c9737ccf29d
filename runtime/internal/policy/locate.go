package policy

import (
	"strings"
	"sync"

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
	return &locator{team: j.rules().Name, known: j.Known, tree: sync.OnceValue(func() *tree {
		sources, _ := parseAll(snap, pkg.Files) // they did parse
		return plant(sources, func([]string, fieldName, site) {}).fields[policyField]
	})}
}

// ruleField is how long the path of a field of a rule is: section, name, field.
const ruleField = 3

// written returns where the value of a field of a rule is written, and the name of a
// field within one: its value is a list, whose bracket says little. set is what CUE
// says set it: the file of an author, or the schema when it is a default.
func (l *locator) written(path []string, set token.Pos, own map[string]bool) token.Pos {
	at := func(s site) token.Pos {
		if len(path) > ruleField {
			return s.pos()
		}
		return s.value.Pos()
	}
	sites := l.tree().find(path)
	for _, s := range sites {
		if s.value.Pos() == set {
			return at(s)
		}
	}
	for _, s := range sites {
		if !s.maybe {
			return at(s)
		}
	}
	if own[set.Filename()] {
		return set
	}
	return token.NoPos
}

func (l *locator) key(path []string) string { return l.team + "." + pathString(path) }

// pos returns where the value at path is written, or the nearest part of path that
// has a known place.
func (l *locator) pos(path ...string) diag.Pos {
	if sites := l.tree().find(path); len(sites) == 1 {
		return place(sites[0].value.Pos())
	}
	for n := len(path); n > 0; n-- {
		if p, ok := l.known.At(l.key(path[:n])); ok {
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
