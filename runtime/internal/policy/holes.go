package policy

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/spell"
)

// policyField is the one top-level field of a policy set.
const policyField = "policy"

// sections are the fields of policy that hold rules and the like, by name.
var sections = []string{"stream", "task", "control", "degrade", "rewrite", "transform", "aggregate", "budget", "sink", "test"}

// A holeFinder finds what CUE accepts in silence although it declares nothing:
// written into a policy, each would be a rule or a condition that is not there.
type holeFinder struct {
	root string // top-level field under which everything counts
	out  []diag.Diagnostic
}

// visit is a fieldVisitor.
func (h *holeFinder) visit(path []string, name fieldName, s site) {
	if len(path) == 1 && path[0] != h.root {
		h.topLevel(name, s)
		return
	}
	if path[0] != h.root {
		return
	}
	var d diag.Diagnostic
	switch {
	case name.hidden && strings.HasPrefix(name.text, "#"):
		d = finding(diag.NoEffect, s.pos(), "%s is a definition, so it declares nothing here", name.text)
		d.Hint = "to declare it, remove the #; a definition belongs at the top of the file"
	case name.hidden:
		d = finding(diag.NoEffect, s.pos(), "%s is a hidden field, so it declares nothing here", name.text)
		d.Hint = fmt.Sprintf("to use the name as it stands, quote it: %q", name.text)
	case s.field.Constraint == token.OPTION:
		d = finding(diag.NoEffect, s.pos(), "%s? constrains a field that may be absent, so it declares nothing", label(name))
		d.Hint = "remove the question mark"
	case s.field.Constraint == token.NOT:
		d = finding(diag.NoEffect, s.pos(), "%s! demands a field, but does not give it", label(name))
		d.Hint = "remove the exclamation mark"
	default:
		return
	}
	d.Path = pathString(path)
	h.out = append(h.out, d)
}

func (h *holeFinder) topLevel(name fieldName, s site) {
	if name.hidden || name.computed && !isPattern(s.field) {
		return
	}
	d := finding(diag.Stray, s.pos(), "%s is not part of the policy", label(name))
	d.Path = name.text
	switch {
	case name.computed:
		d.Message = "a top-level pattern is not part of the policy"
		d.Hint = "write it within a definition"
	case spell.Nearest(name.text, []string{h.root}) != "":
		d.Hint = "did you mean " + h.root + "?"
	case slices.Contains(sections, name.text):
		d.Hint = fmt.Sprintf("write %s: %s: …", h.root, name.text)
	default:
		d.Hint = fmt.Sprintf("write %s: %s: …, or make it a helper: _%s", h.root, name.text, name.text)
	}
	h.out = append(h.out, d)
}

func isPattern(f *ast.Field) bool {
	_, ok := f.Label.(*ast.ListLit)
	return ok
}

func label(n fieldName) string {
	if n.computed {
		return "this"
	}
	return n.text
}

// vetTests finds what files of tests add to the policy besides tests. Tests are
// never deployed, so nothing that is deployed may come from their files.
func vetTests(sources []*source) []diag.Diagnostic {
	var out []diag.Diagnostic
	helpers := map[string]token.Pos{}
	for _, s := range sources {
		if !s.test {
			continue
		}
		for _, d := range s.file.Decls {
			switch x := d.(type) {
			case *ast.Field:
				name := labelName(x.Label)
				if name.text == policyField {
					out = append(out, onlyTests(x.Value)...)
				} else if !name.computed {
					helpers[name.text] = x.Label.Pos()
				}
			case *ast.EmbedDecl:
				out = append(out, testOnly(x.Pos()))
			case *ast.Comprehension:
				out = append(out, onlyTestsIn(x)...)
			}
		}
	}
	return append(out, leakedHelpers(sources, helpers)...)
}

func testOnly(pos token.Pos) diag.Diagnostic {
	d := finding(diag.TestOnly, pos, "a file of tests declares tests only")
	d.Hint = "in a _test.cue file write policy: test: …; move anything else to another file"
	return d
}

// onlyTests finds in the value of policy everything but test.
func onlyTests(e ast.Expr) []diag.Diagnostic {
	lit, ok := e.(*ast.StructLit)
	if !ok {
		return []diag.Diagnostic{testOnly(e.Pos())}
	}
	var out []diag.Diagnostic
	for _, d := range lit.Elts {
		switch x := d.(type) {
		case *ast.Field:
			if labelName(x.Label).text != "test" {
				out = append(out, testOnly(x.Label.Pos()))
			}
		case *ast.Comprehension:
			out = append(out, onlyTests(x.Value)...)
		case *ast.LetClause, *ast.CommentGroup:
		default:
			out = append(out, testOnly(d.Pos()))
		}
	}
	return out
}

// onlyTestsIn finds in a top-level comprehension everything but tests.
func onlyTestsIn(c *ast.Comprehension) []diag.Diagnostic {
	lit, ok := c.Value.(*ast.StructLit)
	if !ok || c.Fallback != nil {
		return []diag.Diagnostic{testOnly(c.Pos())}
	}
	var out []diag.Diagnostic
	for _, d := range lit.Elts {
		f, ok := d.(*ast.Field)
		if !ok || labelName(f.Label).text != policyField {
			out = append(out, testOnly(d.Pos()))
			continue
		}
		out = append(out, onlyTests(f.Value)...)
	}
	return out
}

// leakedHelpers finds helpers of test files that other files declare or use too.
func leakedHelpers(sources []*source, helpers map[string]token.Pos) []diag.Diagnostic {
	var out []diag.Diagnostic
	if len(helpers) == 0 {
		return nil
	}
	for _, s := range sources {
		if s.test {
			continue
		}
		ast.Walk(s.file, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok || !strings.HasPrefix(id.Name, "_") && !strings.HasPrefix(id.Name, "#") {
				return true
			}
			if pos, ok := helpers[id.Name]; ok {
				d := finding(diag.TestOnly, id.Pos(), "%s is declared in a file of tests, which is not deployed", id.Name)
				d.Hint = "declare it here, or give the helper of the tests another name"
				d.Notes = []diag.Note{{Pos: place(pos), Message: "declared here"}}
				out = append(out, d)
				delete(helpers, id.Name)
			}
			return true
		}, nil)
	}
	return out
}
