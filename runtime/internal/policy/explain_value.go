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

// one adds the finding for what CUE says about path, unless there is one already.
func (x *explainer) one(e errors.Error, path []string) {
	if x.settled(path) {
		return
	}
	format, args := e.Msg()
	switch format {
	case msgNotAllowed:
		x.notAllowed(e, path)
	case msgAbsent:
		x.missing(path[:len(path)-1], path[len(path)-1])
	case msgRequired:
		x.missing(path, fmt.Sprint(args[0]))
	case msgConflict:
		x.conflict(e, path, args)
	case msgSentence, msgTypes, msgLengths, msgInvalid, msgIncomplete, msgDisjunction:
		x.badValue(e, path, format, args)
	case msgNotConcrete:
		x.dependent(e, path)
	case msgNoReference, msgUndefined, msgBuiltin, msgUnused, msgUnusedLet, msgCycle, msgStructural:
		x.reference(e, path, format, args)
	default:
		x.other(e, path)
	}
}

// notAllowed is about a field that the tree does not show, such as one from a
// comprehension, or that #Team of the set leaves out. CUE may name something below
// the field.
func (x *explainer) notAllowed(e errors.Error, path []string) {
	for n := 2; n <= len(path); n++ {
		parent := x.shapeAt(path[:n-1])
		if !parent.closed() {
			continue
		}
		variant := x.variant(parent, path[:n-1])
		name := path[n-1]
		at := x.position(e, path[:n])
		switch {
		case parent.field(name, variant) != nil, parent.elem != nil && parent.keys.allows(name):
		case x.settled(path[:n]), x.settled(wildcard(path[:n])):
			return
		case parent.elem != nil:
			x.badName(name, parent, at, path[:n])
			return
		default:
			x.unknownField(name, parent, variant, at, path[:n])
			return
		}
	}
	if x.tree.fields["#Team"] == nil {
		x.other(e, path)
		return
	}
	d := finding(diag.OrgLimit, x.written(path[:min(len(path), 4)]), "#Team of the set has no such field")
	d.Hint = "a definition is closed: begin it with schema.#Policy & {…} to limit the schema rather than replace it"
	x.add(d, path)
}

// wildcard returns path as the tree knows it when the name of the rule is computed.
func wildcard(path []string) []string {
	out := slices.Clone(path)
	if len(out) > 2 {
		out[2] = "*"
	}
	return out
}

// missing is about a field that must be given in the struct at path.
func (x *explainer) missing(path []string, name string) {
	at := append(path[:len(path):len(path)], name)
	if x.settled(at) || x.misspelt(path, name) {
		return
	}
	d := finding(diag.Missing, x.written(path), "%s is missing", name)
	if s := x.shapeAt(at); s != nil {
		d.Hint = strings.TrimSuffix(s.doc, ".")
	}
	x.add(d, at)
}

// misspelt reports whether an unknown field in the struct at path was meant to be name.
func (x *explainer) misspelt(path []string, name string) bool {
	prefix := pathString(path) + "."
	return slices.ContainsFunc(x.out, func(d diag.Diagnostic) bool {
		return d.Code == diag.UnknownField && strings.HasPrefix(d.Path, prefix) && d.Hint == fmt.Sprintf("did you mean %s?", name)
	})
}

// written is where the longest part of path is written.
func (x *explainer) written(path []string) token.Pos {
	if sites, _ := x.tree.near(path); len(sites) > 0 {
		return sites[0].pos()
	}
	return token.NoPos
}

// position is where the value at path is written: if possible where CUE saw one of
// its parts, and else at the field nearest to it.
func (x *explainer) position(e errors.Error, path []string) token.Pos {
	own := x.ownPositions(e)
	sites, n := x.tree.near(path)
	switch {
	case n == len(path) && n > 0:
	case len(own) > 0:
		return own[len(own)-1]
	case len(sites) > 0:
		return sites[0].pos()
	default:
		return token.NoPos
	}
	for _, s := range slices.Backward(sites) {
		if slices.Contains(own, s.value.Pos()) {
			return s.value.Pos()
		}
	}
	return sites[0].value.Pos()
}

// conflict is about two values for one field.
func (x *explainer) conflict(e errors.Error, path []string, args []any) {
	own := x.ownPositions(e)
	if len(own) < 2 {
		x.badValue(e, path, msgConflict, args)
		return
	}
	if s := x.shapeAt(path); s != nil && s.secret {
		x.inlineSecret(e, path)
		return
	}
	slices.SortStableFunc(own, func(a, b token.Pos) int { return a.Compare(b) })
	first, last := own[0], own[len(own)-1]
	if limit, ok := x.limit(own); ok {
		x.refusedByTeam(e, path, fmt.Sprintf("%s does not permit this value", limit.name), limit)
		return
	}
	field := fieldOf(path)
	d := finding(diag.Conflict, last, "%s is set to two values", field)
	a, b := fmt.Sprint(args[0]), fmt.Sprint(args[1])
	if !x.isSecret(path) && plainWord(a) && plainWord(b) {
		for _, s := range x.tree.find(path) {
			if lit, ok := s.value.(*ast.BasicLit); ok && lit.Pos() == last && lit.Value == a {
				a, b = b, a
			}
		}
		d.Message = fmt.Sprintf("%s is set to both %s and %s", field, a, b)
	}
	d.Notes = []diag.Note{{Pos: place(first), Message: "also set here"}}
	x.add(d, path)
}

// plainWord reports whether CUE's rendering of a value is fit for a message.
func plainWord(s string) bool { return len(s) <= 60 && !strings.ContainsAny(s, "{[\n") }

// limit returns the definition of the set, such as #Team, in which one of the places lies.
func (x *explainer) limit(places []token.Pos) (span, bool) {
	for _, p := range places {
		for _, s := range x.defs {
			if p.Filename() == s.from.Filename() && p.Offset() >= s.from.Offset() && p.Offset() < s.to.Offset() && strings.HasPrefix(s.name, "#") {
				return span{name: s.name, from: p}, true
			}
		}
	}
	return span{}, false
}

func (x *explainer) refusedByTeam(e errors.Error, path []string, message string, limit span) {
	d := finding(diag.OrgLimit, x.position(e, path), "%s", message)
	d.Notes = []diag.Note{{Pos: place(limit.from), Message: "required here"}}
	x.add(d, path)
}

// badValue is about a value that the schema, or the set's own #Team, refuses.
func (x *explainer) badValue(e errors.Error, path []string, format string, args []any) {
	if x.below(path) || x.cyclic(path) {
		return // the cause has been reported
	}
	s, field := x.shapeAt(path), fieldOf(path)
	d := finding(diag.BadValue, x.position(e, path), "%s is not a valid value", field)
	switch {
	case s != nil && s.secret:
		x.inlineSecret(e, path)
		return
	case format == msgSentence:
		if first := errors.Positions(e); len(first) > 0 && x.own[first[0].Filename()] && path[0] == x.root {
			if limit, ok := x.limit(first[:1]); ok {
				x.refusedByTeam(e, path, fmt.Sprint(args[0]), limit)
				return
			}
		}
		d.Message = named(strings.TrimPrefix(field, "#"), fmt.Sprint(args[0]))
		d.Hint = x.suggestion(s, path)
	case format == msgLengths && slices.Contains(args, any(0)):
		d.Message = fmt.Sprintf("%s must have at least one element", field)
	case format == msgLengths:
		d.Code, d.Message = diag.Conflict, fmt.Sprintf("%s is set to lists of different lengths", field)
	case format == msgIncomplete:
		x.notConcrete(e, path)
		return
	case format == msgInvalid && strings.Contains(fmt.Sprint(args[1]), "MinFields"):
		d.Code, d.Message = diag.EmptyMatch, fmt.Sprintf("%s is empty; give at least one field", field)
		d.Pos = place(x.written(path))
		if field == "match" {
			d.Message, d.Hint = "match selects by nothing", "to select everything, say so: match: metrics: [\"*\"]"
		}
	case s != nil && s.kind != "":
		d.Message, d.Hint = x.wrongKind(s, path, field, args)
	}
	x.add(d, path)
}

// inlineSecret is about a value that should be a reference to a secret. Nothing of
// the value is said.
func (x *explainer) inlineSecret(e errors.Error, path []string) {
	d := finding(diag.SecretInline, x.position(e, path), "%s: a secret is given by reference, never by value", fieldOf(path))
	d.Hint = "write \"env://NAME\" or \"file:///path\""
	x.add(d, path)
}

// cyclic reports whether the value at path is computed, and a cycle has been found
// that explains why it has come to nothing.
func (x *explainer) cyclic(path []string) bool {
	if !slices.ContainsFunc(x.out, func(d diag.Diagnostic) bool { return d.Code == diag.Cycle }) {
		return false
	}
	return slices.ContainsFunc(x.tree.find(path), func(s site) bool {
		_, literal := s.value.(*ast.BasicLit)
		return !literal
	})
}

// dependent is about a value that cannot be computed because another one is
// missing, which is usually the team on which the set's #Team depends.
func (x *explainer) dependent(e errors.Error, path []string) {
	team := append(path[:len(path):len(path)], "team")
	given := slices.ContainsFunc(x.tree.find(team), func(s site) bool {
		id, ok := s.value.(*ast.Ident)
		return !ok || id.Name != "_"
	})
	switch {
	case len(path) == 1 && path[0] == policyField && !given:
		x.missing(path, "team")
	case len(x.out) == 0:
		x.notConcrete(e, path)
	}
}

// named puts the field in front of a sentence that does not begin with it.
func named(field, sentence string) string {
	if field == "" || strings.HasPrefix(sentence, field+" ") {
		return sentence
	}
	return field + ": " + sentence
}

// suggestion returns the hint for a word that is near an allowed one.
func (x *explainer) suggestion(s *shape, path []string) string {
	if s == nil || s.loose || s.secret {
		return ""
	}
	for _, at := range slices.Backward(x.tree.find(path)) {
		if text, ok := at.text(); ok {
			if word := spell.Nearest(text, s.words); word != "" {
				return fmt.Sprintf("did you mean %q?", word)
			}
		}
	}
	return ""
}

// kindWords are CUE's types in the words of findings.
var kindWords = map[string]string{
	"string": aText, "int": aNumber, "float": aNumber, "number": aNumber, "bool": aBool,
	"list": aList, "struct": aStruct, "null": "null", "bytes": "bytes",
}

// wrongKind describes a value of the wrong type.
func (x *explainer) wrongKind(s *shape, path []string, field string, args []any) (message, hint string) {
	switch {
	case isElement(path):
		field = "an element of " + field
	case len(path) == 3 && path[0] == policyField: // a rule
		field = path[1] + " " + path[2]
	}
	message = fmt.Sprintf("%s must be %s", field, s.kind)
	if len(args) == 4 {
		for _, arg := range args[2:] {
			if got := kindWords[fmt.Sprint(arg)]; got != "" && got != s.kind {
				message += ", not " + got
				break
			}
		}
	}
	sites := x.tree.find(path)
	if s.kind == aList && s.elem != nil && s.elem.kind == aText && len(sites) > 0 {
		if text, ok := sites[len(sites)-1].text(); ok && plainWord(text) && !s.elem.secret {
			hint = fmt.Sprintf("write it in brackets: [%q]", text)
		}
	}
	return message, hint
}

// notConcrete is about a field whose value is a type, or depends on one.
func (x *explainer) notConcrete(e errors.Error, path []string) {
	field := fieldOf(path)
	if isElement(path) {
		field = "an element of " + field
	}
	d := finding(diag.NotConcrete, x.position(e, path), "%s has no definite value", field)
	d.Hint = "write a value; a type alone only says which values it may have"
	x.add(d, path)
}

// reference is about names that lead nowhere, or back to themselves.
func (x *explainer) reference(e errors.Error, path []string, format string, args []any) {
	at := x.position(e, path)
	if own := x.ownPositions(e); len(own) > 0 {
		at = own[len(own)-1]
	}
	var d diag.Diagnostic
	switch format {
	case msgBuiltin:
		d = finding(diag.BadImport, at, "CUE has no package %v", args[0])
	case msgUnused:
		d = finding(diag.BadImport, at, "%v is imported and not used", args[0])
		d.Hint = "remove the import"
	case msgUnusedLet:
		d = finding(diag.NoEffect, at, "%v is never used, so it declares nothing", args[0])
		d.Hint = "to declare a field, write it without let"
	case msgCycle, msgStructural:
		d = finding(diag.Cycle, at, "%s depends on itself", fieldOf(path))
	default:
		name := strings.Trim(fmt.Sprint(args[0]), `"`)
		d = finding(diag.BadReference, at, "%s is not defined", name)
		if format == msgUndefined && !strings.HasPrefix(name, "#") {
			d.Message = "there is no entry " + name + " in what is looked up here"
		}
		if near := spell.Nearest(name, x.defined(format)); near != "" {
			d.Hint = fmt.Sprintf("did you mean %s?", near)
		}
	}
	x.add(d, path)
}

// defined returns the names that a reference may have meant: top-level fields of
// the set, or definitions of the schema.
func (x *explainer) defined(format string) []string {
	if format == msgNoReference {
		return x.tree.order
	}
	var names []string
	for name := range x.plan.decls {
		if strings.HasPrefix(name, "#") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isSecret reports whether the value at path may be one that must not be shown.
func (x *explainer) isSecret(path []string) bool {
	s := x.shapeAt(path)
	return s != nil && s.secret || slices.Contains(path, "headers")
}

// other is about what no other case covers. CUE's own words are used, without the
// values in them.
func (x *explainer) other(e errors.Error, path []string) {
	format, args := e.Msg()
	for i, a := range args {
		if text := fmt.Sprint(a); !plainWord(text) || strings.Contains(text, `"`) {
			args[i] = "…"
		}
	}
	at := x.position(e, path)
	if own := x.ownPositions(e); len(own) > 0 {
		at = own[len(own)-1]
	}
	x.add(finding(diag.Unevaluated, at, "%s", fmt.Sprintf(format, args...)), path)
}
