package policy

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/spell"
)

// An explainer turns what CUE says into findings: one for each mistake, at the
// place where its author wrote it.
type explainer struct {
	plan *plan // read when there is something to explain
	tree *tree
	root string // top-level field that is judged
	def  string // definition of the schema that it must satisfy
	own  map[string]bool
	defs []span // top-level definitions of the authors, such as #Team
	out  []diag.Diagnostic
}

type span struct {
	name     string
	from, to token.Pos
}

func newExplainer(t *tree, root, def string, sources []*source) *explainer {
	x := &explainer{tree: t, root: root, def: def, own: map[string]bool{}}
	for _, s := range sources {
		x.own[s.name] = true
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.Field); ok {
				if name := labelName(f.Label); name.hidden {
					x.defs = append(x.defs, span{name.text, f.Pos(), f.End()})
				}
			}
		}
	}
	return x
}

// explain returns the findings for errs, given those that are known already. The
// error says that the embedded schema cannot be read.
func (x *explainer) explain(errs []errors.Error, known []diag.Diagnostic) ([]diag.Diagnostic, error) {
	if len(errs) == 0 {
		return known, nil
	}
	p, err := readPlan()
	if err != nil {
		return nil, err
	}
	x.plan, x.out = p, slices.Clone(known)
	x.unknown(x.tree.fields[x.root], x.plan.definition(x.def), []string{x.root})
	byPath := map[string][]errors.Error{}
	var order []string
	for _, e := range errs {
		key := pathString(plainPath(e.Path()))
		if byPath[key] == nil {
			order = append(order, key)
		}
		byPath[key] = append(byPath[key], e)
	}
	// Helpers first: what is wrong with them explains what is wrong with the rules.
	slices.SortStableFunc(order, func(a, b string) int { return x.inRoot(a) - x.inRoot(b) })
	for _, key := range order {
		e := slices.MaxFunc(byPath[key], func(a, b errors.Error) int { return x.rank(a) - x.rank(b) })
		x.one(e, plainPath(e.Path()))
	}
	return x.out, nil
}

// inRoot is 1 for a path that is judged, and 0 for one of a helper.
func (x *explainer) inRoot(path string) int {
	if path == x.root || strings.HasPrefix(path, x.root+".") {
		return 1
	}
	return 0
}

// The formats of CUE's messages that tell mistakes apart.
const (
	msgSentence    = "%s"
	msgDisjunction = "%d errors in empty disjunction:"
	msgNotAllowed  = "field not allowed"
	msgAbsent      = "field is required but not present"
	msgRequired    = "required field missing: %s"
	msgConflict    = "conflicting values %s and %s"
	msgTypes       = "conflicting values %s and %s (mismatched types %s and %s)"
	msgLengths     = "incompatible list lengths (%d and %d)"
	msgInvalid     = "invalid value %s (does not satisfy %s)"
	msgIncomplete  = "incomplete value %v"
	msgNoReference = "reference %q not found"
	msgUndefined   = "undefined field: %s"
	msgUnusedLet   = "unreferenced alias or let clause %s"
	msgBuiltin     = "builtin package %q undefined"
	msgUnused      = "imported and not used: %s"
	msgCycle       = "cycle with field: %v"
	msgStructural  = "structural cycle"
	msgNotConcrete = "non-concrete value %v in operand to %s"
)

// rank orders what CUE says about one path by how much it tells.
func (x *explainer) rank(e errors.Error) int {
	format, _ := e.Msg()
	switch format {
	case msgDisjunction:
		return 0
	case msgNotConcrete:
		return 1
	case msgSentence, msgTypes:
		return 3
	case msgConflict:
		if x.allOwn(e) {
			return 5
		}
		return 2
	}
	return 4
}

func (x *explainer) allOwn(e errors.Error) bool {
	return len(x.ownPositions(e)) == len(errors.Positions(e)) && len(errors.Positions(e)) > 1
}

// ownPositions returns the places in files of the authors.
func (x *explainer) ownPositions(e errors.Error) []token.Pos {
	var out []token.Pos
	for _, p := range errors.Positions(e) {
		if x.own[p.Filename()] {
			out = append(out, p)
		}
	}
	return out
}

func (x *explainer) add(d diag.Diagnostic, path []string) {
	d.Path = pathString(path)
	x.out = append(x.out, d)
}

// settled reports whether a finding about path, or about what it lies in, is there.
func (x *explainer) settled(path []string, codes ...diag.Code) bool {
	key := pathString(path)
	return slices.ContainsFunc(x.out, func(d diag.Diagnostic) bool {
		if len(codes) > 0 && !slices.Contains(codes, d.Code) || d.Path == "" {
			return false
		}
		return d.Path == key || strings.HasPrefix(key, d.Path+".")
	})
}

// below reports whether a finding lies below path.
func (x *explainer) below(path []string) bool {
	prefix := pathString(path) + "."
	return slices.ContainsFunc(x.out, func(d diag.Diagnostic) bool { return strings.HasPrefix(d.Path, prefix) })
}

// shapeAt returns what the schema says about path, or nil.
func (x *explainer) shapeAt(path []string) *shape {
	if len(path) == 0 || path[0] != x.root {
		return nil
	}
	s := x.plan.definition(x.def)
	for i := 1; i < len(path) && s != nil; i++ {
		if f := s.field(path[i], x.variant(s, path[:i])); f != nil {
			s = f
		} else {
			s = s.elem
		}
	}
	return s
}

// variant returns the word that selects further fields of s at path, when its
// author wrote it there, or used a definition that says it.
func (x *explainer) variant(s *shape, path []string) string {
	if s.selector == "" {
		return ""
	}
	word := ""
	for _, at := range x.tree.find(append(path[:len(path):len(path)], s.selector)) {
		text, ok := at.text()
		if ok && word != "" && text != word {
			return "" // a conflict, about which CUE has something to say
		}
		word = text
	}
	if word != "" {
		return word
	}
	for _, name := range x.tree.defsAt(path) {
		if f := x.plan.definition(name).fields[s.selector]; f != nil && len(f.words) == 1 {
			return f.words[0]
		}
	}
	return ""
}

// defsAt returns the definitions of the schema that are unified at path.
func (t *tree) defsAt(path []string) []string {
	switch {
	case t == nil:
		return nil
	case len(path) == 0:
		return t.defs
	}
	return slices.Concat(t.fields[path[0]].defsAt(path[1:]), t.any.defsAt(path[1:]))
}

// unknown finds fields that the schema does not have, and names that are not
// well-formed. Done on what is written rather than on what CUE says, it finds all
// of them at once, and those below a value that is wrong for other reasons.
func (x *explainer) unknown(t *tree, s *shape, path []string) {
	if t == nil || !s.closed() {
		return
	}
	variant := x.variant(s, path)
	for _, name := range t.order {
		at, c := append(path[:len(path):len(path)], name), t.fields[name]
		if x.settled(at) || len(c.sites) == 0 || labelName(c.label()).hidden {
			continue
		}
		f := s.field(name, variant)
		switch {
		case f != nil:
			x.unknown(c, f, at)
		case s.elem != nil && s.kind == aList:
			x.unknown(c, s.elem, at)
		case s.elem != nil && s.keys.allows(name):
			x.unknown(c, s.elem, at)
		case s.elem != nil:
			x.badName(name, s, c.sites[0].pos(), at)
		default:
			x.unknownField(name, s, variant, c.sites[0].pos(), at)
		}
	}
	if t.any != nil && s.elem != nil {
		x.unknown(t.any, s.elem, append(path[:len(path):len(path)], "*"))
	}
}

// label returns the label of the first site, or nil for an element of a list.
func (t *tree) label() ast.Label {
	if f := t.sites[0].field; f != nil {
		return f.Label
	}
	return nil
}

func (x *explainer) unknownField(name string, s *shape, variant string, pos token.Pos, path []string) {
	d := finding(diag.UnknownField, pos, "unknown field %s", name)
	names := s.names(variant)
	switch owners := s.owners(name); {
	case len(owners) > 0:
		d.Message = fmt.Sprintf("%s has no field %s", variant, name)
		d.Hint = fmt.Sprintf("%s belongs to %s", name, strings.Join(owners, " and "))
	case spell.Nearest(name, names) != "":
		d.Hint = fmt.Sprintf("did you mean %s?", spell.Nearest(name, names))
	case len(names) > 0:
		d.Hint = "allowed here: " + strings.Join(names, ", ")
	}
	x.add(d, path)
}

// nameRules says what the names in a map look like, by the schema's name for the rule.
var nameRules = map[string]string{
	"_name":      "a name has 1 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or digit",
	"_labelName": "a label's name has letters, digits and underscores, and does not begin with a digit or with __",
}

func (x *explainer) badName(name string, s *shape, pos token.Pos, path []string) {
	d := finding(diag.BadName, pos, "%q is not a valid name here", name)
	if s.keys != nil {
		d.Hint = nameRules[s.keys.name]
	}
	x.add(d, path)
}
