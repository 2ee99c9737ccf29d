package policy

import (
	"maps"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Without returns a set without the rules that errors are about, and the sections of
// those. ok is false when an error is about the set as a whole.
func (s *Set) Without(found []diag.Diagnostic) (rest Set, sections map[string]bool, ok bool) {
	rest.Teams, sections = append(rest.Teams, s.Teams...), map[string]bool{}
	for _, d := range found {
		if d.Severity != diag.Error {
			continue
		}
		_, path, _ := strings.Cut(d.Path, ".") // policy, or a team
		section, name, named := strings.Cut(path, ".")
		if !named {
			return Set{}, nil, false
		}
		sections[section] = true
		for i := range rest.Teams {
			rest.Teams[i].leave(section, name)
		}
	}
	return rest, sections, true
}

// leave leaves out the rule of a section that a path, from its name on, is about.
// Streams, sinks and tests stay: nothing is made of them that could fail.
func (t *Team) leave(section, path string) {
	switch section {
	case "task":
		t.Task = unnamed(t.Task, path)
	case "control":
		t.Control = unnamed(t.Control, path)
	case "degrade":
		t.Degrade = unnamed(t.Degrade, path)
	case "rewrite":
		t.Rewrite = unnamed(t.Rewrite, path)
	case "transform":
		t.Transform = unnamed(t.Transform, path)
	case "aggregate":
		t.Aggregate = unnamed(t.Aggregate, path)
	case "budget":
		t.Budget = unnamed(t.Budget, path)
	}
}

func unnamed[V any](all map[string]V, path string) map[string]V {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(name string, _ V) bool {
		return strings.HasPrefix(path+".", pathString([]string{name})+".")
	})
	return out
}
