package program

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// Written is a policy set and where its authors wrote it.
type Written struct {
	Set        *policy.Set
	Provenance policy.Provenance // may be nil
}

// RuleChange is an entry of a section that is not the same in two sets.
type RuleChange struct {
	Change  Change        `json:"change"`  // added, removed or changed
	Section string        `json:"section"` // SectionControl, …; "team" for what a team says of itself
	Rule    RuleID        `json:"rule"`    // team/name; the team for section "team"
	Pos     diag.Pos      `json:"pos"`     // in the new set; in the old one when it was removed
	Fields  []FieldChange `json:"fields,omitempty"`
}

// Change says what happened to a rule or a field.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// FieldChange is a field of a rule that is not the same. Of a rule that is new,
// those are listed that its author wrote; of one that was removed, none.
type FieldChange struct {
	Path   string          `json:"path"`             // within the rule: match.metrics
	Before json.RawMessage `json:"before,omitempty"` // value in the old set
	After  json.RawMessage `json:"after,omitempty"`  // value in the new set
	Pos    diag.Pos        `json:"pos,omitzero"`     // in the new set; in the old one when it is gone
}

// sectionTeam is the section of what a team says of itself.
const sectionTeam = "team"

// DiffRules compares two sets as they are deployed: tests do not count. It goes
// by the names of rules, section by section, whatever sections there are.
func DiffRules(before, after Written) ([]RuleChange, error) {
	old, err := before.entries()
	if err != nil {
		return nil, err
	}
	now, err := after.entries()
	if err != nil {
		return nil, err
	}
	all := maps.Clone(old)
	maps.Copy(all, now)
	var out []RuleChange
	for key := range all {
		a, was := old[key]
		b, is := now[key]
		c := RuleChange{Section: key.section, Rule: key.id(), Change: Changed, Pos: cmp.Or(b.pos, a.pos)}
		switch {
		case !was:
			c.Change, c.Fields = Added, b.written()
		case !is:
			c.Change = Removed
		default:
			if c.Fields = fieldChanges(&a, &b); len(c.Fields) == 0 {
				continue
			}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b RuleChange) int {
		return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Rule, b.Rule))
	})
	return out, nil
}

// entryKey names an entry of a set.
type entryKey struct{ team, section, name string }

func (k entryKey) id() RuleID {
	if k.section == sectionTeam {
		return RuleID(k.team)
	}
	return RuleID(k.team + "/" + k.name)
}

// entry is what a set says under one name.
type entry struct {
	pos    diag.Pos
	fields map[string]json.RawMessage // by path; what is left are texts, numbers and lists
	where  map[string]diag.Pos        // of the fields that an author wrote, as far as known
}

// entries lists what a set deploys, by the names of its JSON form.
func (w Written) entries() (map[entryKey]entry, error) {
	out := map[entryKey]entry{}
	for _, t := range w.Set.Teams {
		t.Test = nil
		text, err := json.Marshal(t)
		if err != nil {
			return nil, fmt.Errorf("compare policy sets: %w", err)
		}
		var sections map[string]json.RawMessage
		if err := json.Unmarshal(text, &sections); err != nil {
			return nil, fmt.Errorf("compare policy sets: %w", err)
		}
		own := entry{fields: map[string]json.RawMessage{}}
		for section, value := range sections {
			var rules map[string]json.RawMessage
			if value[0] != '{' || json.Unmarshal(value, &rules) != nil {
				own.fields[section] = value
				continue
			}
			for name, rule := range rules {
				out[entryKey{t.Name, section, name}] = w.entry(rule, t.Name+"."+section+"."+name)
			}
		}
		out[entryKey{t.Name, sectionTeam, ""}] = own
	}
	return out, nil
}

func (w Written) entry(rule json.RawMessage, path string) entry {
	e := entry{pos: w.Provenance.Near(path), fields: map[string]json.RawMessage{}, where: map[string]diag.Pos{}}
	flatten(rule, "", e.fields)
	for field := range e.fields {
		for p := field; p != ""; p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
			if pos, ok := w.Provenance.At(path + "." + p); ok {
				e.where[field] = pos
				break
			}
		}
	}
	return e
}

// flatten puts the leaves of a JSON value into fields.
func flatten(value json.RawMessage, path string, fields map[string]json.RawMessage) {
	var members map[string]json.RawMessage
	if value[0] != '{' || json.Unmarshal(value, &members) != nil {
		fields[path] = value
		return
	}
	for name, v := range members {
		flatten(v, strings.TrimPrefix(path+"."+name, "."), fields)
	}
}

// written lists the fields that the author gave, or all when nobody knows which,
// and the action, which often comes with the definition that he chose.
func (e *entry) written() (out []FieldChange) {
	for _, path := range slices.Sorted(maps.Keys(e.fields)) {
		if pos, ok := e.where[path]; ok || len(e.where) == 0 || path == "action" {
			out = append(out, FieldChange{Path: path, After: e.fields[path], Pos: pos})
		}
	}
	return out
}

func fieldChanges(a, b *entry) (out []FieldChange) {
	all := maps.Clone(a.fields)
	maps.Copy(all, b.fields)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if before, after := a.fields[path], b.fields[path]; !bytes.Equal(before, after) {
			pos := b.where[path]
			if after == nil {
				pos = cmp.Or(pos, a.where[path])
			}
			out = append(out, FieldChange{Path: path, Before: before, After: after, Pos: pos})
		}
	}
	return out
}
