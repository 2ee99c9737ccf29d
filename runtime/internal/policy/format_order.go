package policy

import (
	"cmp"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
)

// An orderer sorts the fields of rules.
type orderer struct {
	plan  *plan
	ranks map[string]map[string]int // by definition and word of its selector
}

// leading are the fields that come first in every rule; what it does comes after
// them, in the order of the schema.
var leading = []string{"description", "order", "tier", "enabled", "expires", "until", "match", "unless", "action", "type"}

func (o *orderer) file(f *ast.File) {
	o.ranks = map[string]map[string]int{}
	eachRule(f, func(section string, rule *ast.Field) {
		def := o.plan.sectionDefinition(section)
		if def == "" {
			return
		}
		rank := o.rank(def, selectedWord(o.plan, def, rule.Value))
		for _, lit := range literals(rule.Value) {
			arrange(lit, rank)
		}
	})
}

// rank gives a number to each field of a definition; others come last.
func (o *orderer) rank(def, word string) map[string]int {
	key := def + "\x00" + word
	if r := o.ranks[key]; r != nil {
		return r
	}
	r := map[string]int{}
	for _, name := range append(slices.Clone(leading), o.plan.fieldOrder(def, word)...) {
		if _, ok := r[name]; !ok {
			r[name] = len(r)
		}
	}
	o.ranks[key] = r
	return r
}

// arrange sorts the fields of a struct. Anything else in it, such as a let clause or
// a comment that stands alone, stays where it is, and fields do not move across it.
func arrange(lit *ast.StructLit, rank map[string]int) {
	from := 0
	for i, d := range lit.Elts {
		switch {
		case !sortable(d):
			arrangeRun(lit.Elts[from:i], rank)
			from = i + 1
		case len(trailing(d)) > 0:
			arrangeRun(lit.Elts[from:i+1], rank)
			from = i + 1
		}
	}
	arrangeRun(lit.Elts[from:], rank)
	if slices.ContainsFunc(lit.Elts, func(d ast.Decl) bool { return startOf(d) >= token.Newline }) && lit.Rbrace.IsValid() {
		lit.Rbrace = lit.Rbrace.WithRel(token.Newline)
	}
}

func sortable(d ast.Decl) bool {
	f, ok := d.(*ast.Field)
	return ok && !labelName(f.Label).computed
}

// arrangeRun sorts fields that follow each other and keeps the layout: all on one
// line, or each on its own if one was. A comment behind the last one stays there.
func arrangeRun(run []ast.Decl, rank map[string]int) {
	place := func(d ast.Decl) int {
		if r, ok := rank[labelName(d.(*ast.Field).Label).text]; ok {
			return r
		}
		return len(rank)
	}
	byRank := func(a, b ast.Decl) int { return cmp.Compare(place(a), place(b)) }
	if len(run) < 2 || slices.IsSortedFunc(run, byRank) {
		return
	}
	first, last := run[0], run[len(run)-1]
	lead, behind, least := startOf(first), trailing(last), token.Blank
	if slices.ContainsFunc(run[1:], func(d ast.Decl) bool { return startOf(d) >= token.Newline }) {
		least = token.Newline
	}
	slices.SortStableFunc(run, byRank)
	for _, d := range run[1:] {
		setStart(d, max(startOf(d), least))
	}
	if run[0] != first {
		setStart(first, least)
	}
	setStart(run[0], max(lead, least))
	if end := run[len(run)-1]; end != last {
		ast.SetComments(last, slices.DeleteFunc(slices.Clone(ast.Comments(last)), func(g *ast.CommentGroup) bool { return slices.Contains(behind, g) }))
		ast.SetComments(end, append(slices.Clone(ast.Comments(end)), behind...))
	}
}

// startOf says how a field is set off from what is before it.
func startOf(d ast.Decl) token.RelPos {
	if doc := docGroup(d); doc != nil {
		return doc.List[0].Slash.RelPos()
	}
	return d.Pos().RelPos()
}

func setStart(d ast.Decl, rel token.RelPos) {
	if doc := docGroup(d); doc != nil {
		doc.List[0].Slash = doc.List[0].Slash.WithRel(max(rel, token.Newline))
		return
	}
	ast.SetRelPos(d, rel)
}

// docGroup is the comment above a field.
func docGroup(n ast.Node) *ast.CommentGroup {
	for _, g := range ast.Comments(n) {
		if g.Doc && len(g.List) > 0 && !isBehind(g, n) {
			return g
		}
	}
	return nil
}

// trailing are the comments below a field that are about neither it nor the next one.
func trailing(n ast.Node) []*ast.CommentGroup {
	var out []*ast.CommentGroup
	for _, g := range ast.Comments(n) {
		if !g.Line && isBehind(g, n) {
			out = append(out, g)
		}
	}
	return out
}

func isBehind(g *ast.CommentGroup, n ast.Node) bool { return g.Pos().Offset() > n.Pos().Offset() }

// sectionDefinition is the definition that the rules of a section satisfy, without #.
func (p *plan) sectionDefinition(section string) string {
	policy, ok := p.decls["#Policy"].Value.(*ast.StructLit)
	if !ok {
		return ""
	}
	for _, d := range policy.Elts {
		f, ok := d.(*ast.Field)
		if !ok || labelName(f.Label).text != section {
			continue
		}
		m, ok := f.Value.(*ast.StructLit)
		if !ok || len(m.Elts) != 1 {
			return ""
		}
		each, ok := m.Elts[0].(*ast.Field)
		if !ok {
			return ""
		}
		if id, ok := each.Value.(*ast.Ident); ok {
			return strings.TrimPrefix(id.Name, "#")
		}
	}
	return ""
}

// fieldOrder lists the fields of a definition, or helper, as the schema does; word
// is what its selector says, "" when that is not known.
func (p *plan) fieldOrder(def, word string) []string {
	decl := p.decls["#"+def]
	if decl == nil {
		decl = p.decls[def]
	}
	if decl == nil {
		return nil
	}
	var out []string
	for _, lit := range literals(decl.Value) {
		for _, d := range lit.Elts {
			switch x := d.(type) {
			case *ast.Field:
				out = append(out, labelName(x.Label).text)
			case *ast.EmbedDecl:
				out = append(out, p.embeddedOrder(x.Expr, word)...)
			}
		}
	}
	return out
}

func (p *plan) embeddedOrder(e ast.Expr, word string) []string {
	switch x := e.(type) {
	case *ast.Ident:
		return p.fieldOrder(strings.TrimPrefix(x.Name, "#"), word)
	case *ast.SelectorExpr:
		return p.entryOrder(x.X, labelName(x.Sel).text)
	case *ast.IndexExpr:
		if lit, ok := x.Index.(*ast.BasicLit); ok {
			word = labelName(lit).text
		}
		return p.entryOrder(x.X, word)
	}
	return nil
}

// entryOrder lists the fields of one entry of a table, or of all when word is none of them.
func (p *plan) entryOrder(table ast.Expr, word string) []string {
	id, ok := table.(*ast.Ident)
	if !ok || p.decls[id.Name] == nil {
		return nil
	}
	var one, all []string
	fieldsIn(p.decls[id.Name].Value, func(entry *ast.Field) {
		var names []string
		fieldsIn(entry.Value, func(f *ast.Field) { names = append(names, labelName(f.Label).text) })
		all = append(all, names...)
		if labelName(entry.Label).text == word {
			one = names
		}
	})
	if one != nil {
		return one
	}
	return all
}

// selectedWord is what the selector of a rule says, as far as it is written there:
// by its own field, or by a definition such as schema.#Drop.
func selectedWord(p *plan, def string, rule ast.Expr) string {
	selector := p.definition(def).selector
	if selector == "" {
		return ""
	}
	word := ""
	fieldsIn(rule, func(f *ast.Field) {
		if lit, ok := f.Value.(*ast.BasicLit); ok && labelName(f.Label).text == selector {
			word = labelName(lit).text
		}
	})
	if b, ok := rule.(*ast.BinaryExpr); ok && word == "" {
		if sel, ok := b.X.(*ast.SelectorExpr); ok {
			if f := p.definition(strings.TrimPrefix(labelName(sel.Sel).text, "#")).fields[selector]; f != nil && len(f.words) == 1 {
				word = f.words[0]
			}
		}
	}
	return word
}
