package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// A tagField is a top-level field that takes its value from outside, such as
// #env: *"dev" | "prod" @tag(env,short=dev|prod).
type tagField struct {
	field *ast.Field
	name  string
	short []string
}

// tagFields returns the tag fields of sources, and what is wrong with their attributes.
func tagFields(sources []*source) ([]tagField, []diag.Diagnostic) {
	var fields []tagField
	var out []diag.Diagnostic
	top := map[*ast.Field]bool{}
	for _, s := range sources {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.Field); ok {
				top[f] = true
			}
		}
		ast.Walk(s.file, func(n ast.Node) bool {
			f, ok := n.(*ast.Field)
			if !ok {
				return true
			}
			for _, a := range f.Attrs {
				if a.Name() != "tag" {
					continue
				}
				t, why := readTag(f, a)
				if why == "" && !top[f] {
					why = "a tag stands on a top-level field, such as #env"
				}
				if why != "" {
					out = append(out, finding(diag.BadTag, a.Pos(), "%s", why))
					continue
				}
				fields = append(fields, t)
			}
			return true
		}, nil)
	}
	return fields, out
}

func readTag(f *ast.Field, a *ast.Attribute) (t tagField, why string) {
	_, body := a.Split()
	parts := strings.Split(body, ",")
	t = tagField{field: f, name: strings.TrimSpace(parts[0])}
	if t.name == "" {
		return t, "a tag needs a name: @tag(env)"
	}
	for _, p := range parts[1:] {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if key != "short" {
			return t, fmt.Sprintf("a tag of a policy set has no option %s", key)
		}
		t.short = strings.Split(value, "|")
	}
	return t, ""
}

// injectTags gives tag fields their values. A tag is name=value, or a word that a
// field lists as short. It returns the tags that a field takes.
func injectTags(fields []tagField, tags []string) (taken []string) {
	for _, tag := range tags {
		name, value, named := strings.Cut(tag, "=")
		for _, f := range fields {
			switch {
			case named && f.name == name:
			case !named && slices.Contains(f.short, tag):
				value = tag
			default:
				continue
			}
			taken = append(taken, tag)
			f.field.Value = ast.NewBinExpr(token.AND, f.field.Value, ast.NewString(value))
		}
	}
	return taken
}

// untaken reports tags that no field of the set takes.
func untaken(tags []string, taken map[string]bool, known map[string]bool) []diag.Diagnostic {
	var out []diag.Diagnostic
	for _, tag := range tags {
		if taken[tag] {
			continue
		}
		d := diag.Diagnostic{Code: diag.BadTag, Message: fmt.Sprintf("no field of the set takes the tag %s", tag)}
		d.Hint = "the set has no tags"
		if len(known) > 0 {
			d.Hint = "tags of the set: " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
		}
		out = append(out, d)
	}
	return out
}
