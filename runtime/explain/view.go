package explain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// View describes a rule of the program, with its fields where they are wanted.
func (x *Explainer) View(i int32, fields bool) RuleView {
	r := x.rules[i]
	v := RuleView{
		ID: string(r.ID), Section: r.Section, Action: r.Action, Description: r.Description, Pos: x.at(r.Pos),
		Samples: x.here.Samples[string(r.Label)],
	}
	all := x.fields(&r)
	for _, f := range all {
		switch f.Name {
		case "tier":
			v.Tier = strings.Trim(string(f.Value), `"`)
		case "order":
			if n := 0; json.Unmarshal(f.Value, &n) == nil {
				v.Order = &n
			}
		}
	}
	if fields {
		v.Fields = all
	}
	return v
}

// fields lists the fields of a rule in the order of the language, with their places;
// of those that are structs the fields of these, since a match may be written in
// several places.
func (x *Explainer) fields(r *program.Rule) []FieldView {
	team, name, _ := strings.Cut(string(r.ID), "/")
	return x.members(nil, x.written(team, r.Section, name), "", team, r.Section, name)
}

// members appends the fields of a JSON object at path to out.
func (x *Explainer) members(out []FieldView, object []byte, prefix string, path ...string) []FieldView {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return out // the section has no such entry: nothing to show
	}
	for d.More() {
		key, err := d.Token()
		field, ok := key.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return out
		}
		at := append(path[:len(path):len(path)], field)
		if value[0] == '{' {
			out = x.members(out, value, prefix+field+".", at...)
			continue
		}
		out = append(out, FieldView{Name: prefix + field, Value: value, Pos: x.Place(at...)})
	}
	return out
}

// written returns an entry of a section as JSON, nothing when there is none.
func (x *Explainer) written(team, section, name string) []byte {
	if x.entries == nil {
		x.entries = map[string]map[string]map[string]json.RawMessage{}
		for i := range x.set.Teams {
			x.entries[x.set.Teams[i].Name] = entriesOf(&x.set.Teams[i])
		}
	}
	return x.entries[team][section][name]
}

// entriesOf gives the entries of all sections of a team as JSON, by section and name.
func entriesOf(t *policy.Team) map[string]map[string]json.RawMessage {
	text, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("a team is plain data: %v", err))
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		panic(fmt.Sprintf("a team is an object: %v", err))
	}
	out := map[string]map[string]json.RawMessage{}
	for section, value := range fields {
		var entries map[string]json.RawMessage
		if json.Unmarshal(value, &entries) == nil { // the fields that are texts are no sections
			out[section] = entries
		}
	}
	return out
}
