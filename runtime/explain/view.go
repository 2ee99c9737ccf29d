package explain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
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
	at := slices.IndexFunc(x.set.Teams, func(t policy.Team) bool { return t.Name == team })
	if at < 0 {
		return nil
	}
	t := reflect.ValueOf(&x.set.Teams[at]).Elem()
	for i, f := range reflect.VisibleFields(t.Type()) {
		if word, _, _ := strings.Cut(f.Tag.Get("json"), ","); word != section {
			continue
		}
		entry := t.Field(i).MapIndex(reflect.ValueOf(name))
		if !entry.IsValid() {
			return nil
		}
		text, err := json.Marshal(entry.Interface())
		if err != nil {
			panic(fmt.Sprintf("an entry of a team is plain data: %v", err))
		}
		return text
	}
	return nil
}
