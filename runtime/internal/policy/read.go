package policy

import (
	"encoding/json"
	"fmt"
	"slices"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/token"
)

// A reader takes an evaluated policy apart, once: CUE sorts the fields of a struct
// each time that it is asked for them, at a cost near that of evaluating it.
type reader struct {
	*locator
	own    map[string]bool         // files of authors
	text   []byte                  // JSON of what has been read
	places map[string][]fieldPlace // of what has been read, by rule

	lenient bool // leave out rules that are wrong, and what else the policy says wrongly
}

// policy reads a whole policy: what it says, and where each rule, and each of its
// fields that an author gave, is written.
func (r *reader) policy(policy cue.Value) (*Team, error) {
	if err := r.object(nil, policy, r.section); err != nil {
		return nil, fmt.Errorf("read evaluated values: %w", err)
	}
	team := &Team{}
	if err := decodeText(r.text, team); err != nil {
		return nil, fmt.Errorf("read evaluated values: %w", err)
	}
	r.known = Provenance{team.Name: newPlaces(r.places)}
	return team, nil
}

// object reads the fields of a struct at path, each by itself by each.
func (r *reader) object(path []string, of cue.Value, each func([]string, cue.Value) error) error {
	fields, err := of.Fields()
	if err != nil {
		return err
	}
	open := byte('{')
	for fields.Next() {
		name := fields.Selector().Unquoted()
		if r.lenient && r.wrong(path, name, fields.Value()) {
			continue
		}
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		r.text = append(append(append(r.text, open), key...), ':')
		open = ','
		if err := each(append(path, name), fields.Value()); err != nil { // nobody keeps it
			return err
		}
	}
	if open == '{' {
		r.text = append(r.text, '{')
	}
	r.text = append(r.text, '}')
	return nil
}

// wrong reports whether a lenient reader leaves a field out: a rule, or a field of the
// policy that is no section.
func (r *reader) wrong(path []string, name string, v cue.Value) bool {
	if len(path) == 0 && slices.Contains(sections, name) || len(path) > 1 {
		return false
	}
	return v.Validate(cue.Concrete(true)) != nil
}

// value reads what lies where no place is recorded.
func (r *reader) value(v cue.Value) error {
	text, err := v.MarshalJSON()
	r.text = append(r.text, text...)
	return err
}

func (r *reader) section(path []string, v cue.Value) error {
	if !slices.Contains(sections, path[0]) {
		return r.value(v)
	}
	return r.object(path, v, r.rule)
}

func (r *reader) rule(path []string, v cue.Value) error {
	r.recordRule(path)
	return r.object(path, v, r.field)
}

// field reads a field of a rule. What a match says of metrics may be written
// elsewhere than what it says of tasks, so a struct that an author gave is gone
// into; lists and structs full of defaults are not.
func (r *reader) field(path []string, v cue.Value) error {
	pos := r.written(path, v.Pos(), r.own)
	if !pos.IsValid() {
		return r.value(v)
	}
	r.record(path, pos)
	if v.IncompleteKind() != cue.StructKind {
		return r.value(v)
	}
	return r.object(path, v, r.field)
}

// recordRule records where a rule is written.
func (r *reader) recordRule(path []string) {
	sites := r.tree().find(path)
	if i := slices.IndexFunc(sites, func(s site) bool { return !s.maybe }); len(sites) > 0 {
		r.record(path, sites[max(i, 0)].pos())
	}
}

func (r *reader) record(path []string, pos token.Pos) {
	rule, field := cutRule(pathString(path))
	r.places[rule] = append(r.places[rule], fieldPlace{field, place(pos)})
}
