package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/schema"
)

// A fixer rewrites what authors mean but the schema does not take them to say. It
// changes a file only where there is one thing that can have been meant.
type fixer struct {
	plan  *plan
	src   *source
	notes []diag.Note
}

func (f *fixer) note(pos token.Pos, format string, args ...any) {
	f.notes = append(f.notes, diag.Note{Pos: place(pos), Message: fmt.Sprintf(format, args...)})
}

func (f *fixer) file() {
	plant([]*source{f.src}, f.marks)
	schemaName := f.schemaName()
	eachRule(f.src.file, func(section string, rule *ast.Field) {
		if schemaName != "" {
			f.wrap(section, schemaName, rule)
		}
	})
}

// marks is a fieldVisitor. It quotes names of labels and tags that CUE takes for
// hidden fields, and takes away the marks that make a constraint of a field.
func (f *fixer) marks(at []string, name fieldName, s site) {
	if at[0] != policyField || len(at) < 2 || s.field == nil {
		return
	}
	pos := s.pos()
	ident, plain := s.field.Label.(*ast.Ident)
	if plain && name.hidden && isLabelMap(at[len(at)-2]) && f.isLabelName(name.text) {
		quoted := ast.NewString(name.text)
		ast.SetRelPos(quoted, ident.Pos().RelPos())
		f.note(pos, "%s quoted: without quotes it is a hidden field, which selects nothing", name.text)
		s.field.Label, name.hidden = quoted, false
	}
	if s.field.Constraint != token.ILLEGAL && !name.hidden && !isPattern(s.field) {
		f.note(pos, "%s%s is now %s: with the mark it declares nothing", label(name), s.field.Constraint, label(name))
		s.field.Constraint = token.ILLEGAL
	}
}

// isLabelMap reports whether the names in the field are those of labels or tags.
func isLabelMap(field string) bool { return field == "labels" || field == "tags" }

func (f *fixer) isLabelName(name string) bool {
	return strings.HasPrefix(name, "_") && f.plan.definition("Match").fields["labels"].keys.allows(name)
}

// wrap writes a rule that says its action as schema.#Drop & {…}: the form in which
// editors know the fields of the action.
func (f *fixer) wrap(section, schemaName string, rule *ast.Field) {
	lit, ok := rule.Value.(*ast.StructLit)
	def := f.plan.sectionDefinition(section)
	if !ok || def == "" || f.plan.definition(def).selector == "" {
		return
	}
	selector := f.plan.definition(def).selector
	at := slices.IndexFunc(lit.Elts, func(d ast.Decl) bool {
		x, ok := d.(*ast.Field)
		return ok && labelName(x.Label).text == selector && len(ast.Comments(x)) == 0 && len(ast.Comments(x.Value)) == 0
	})
	variant := f.plan.variantName(def, selectedWord(f.plan, def, lit))
	if at < 0 || variant == "" || len(lit.Elts) == 1 {
		return
	}
	f.note(rule.Pos(), "%s is now written as %s.#%s", labelName(rule.Label).text, schemaName, variant)
	lit.Elts = slices.Delete(lit.Elts, at, at+1)
	if !lit.Lbrace.IsValid() {
		lit.Lbrace, lit.Rbrace = token.Blank.Pos(), token.Newline.Pos()
	}
	rule.Value = ast.NewBinExpr(token.AND, ast.NewSel(ast.NewIdent(schemaName), "#"+variant), lit)
}

// variantName is the definition that stands for one word of a selector, without #:
// the one that embeds the word's entry of the table, as #Drop does _control.drop.
func (p *plan) variantName(def, word string) string {
	table := p.tableOf(def)
	if word == "" || table == "" || p.definition(def).variants[word] == nil {
		return ""
	}
	for name, decl := range p.decls {
		base, isDef := strings.CutPrefix(name, "#")
		if isDef && slices.Contains(embeds(decl.Value), table+"."+word) {
			return base
		}
	}
	return ""
}

// tableOf is the helper that holds what each word of a definition's selector adds,
// "" when it has no selector.
func (p *plan) tableOf(def string) string {
	for _, e := range embeds(p.decls["#"+def].Value) {
		if table, ok := strings.CutSuffix(e, "."+p.definition(def).selector); ok {
			return table
		}
	}
	return ""
}

// embeds lists what a struct embeds of tables, as TABLE.ENTRY; where a field
// selects the entry, as TABLE.FIELD.
func embeds(e ast.Expr) []string {
	var out []string
	for _, lit := range literals(e) {
		for _, d := range lit.Elts {
			embedded, ok := d.(*ast.EmbedDecl)
			if !ok {
				continue
			}
			switch x := embedded.Expr.(type) {
			case *ast.SelectorExpr:
				out = append(out, labelOf(x.X)+"."+labelName(x.Sel).text)
			case *ast.IndexExpr:
				out = append(out, labelOf(x.X)+"."+labelOf(x.Index))
			}
		}
	}
	return out
}

// labelOf is the text of a name or of a string.
func labelOf(e ast.Expr) string {
	if l, ok := e.(ast.Label); ok {
		return labelName(l).text
	}
	return ""
}

// schemaName is the name by which a file knows the schema, "" when it does not
// import it: an overlay, which leaves the form to the file that it is laid over.
func (f *fixer) schemaName() string {
	for spec := range f.src.file.ImportSpecs() {
		if labelName(spec.Path).text != schema.ImportPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(schema.ImportPath)
	}
	return ""
}
