package policy

import (
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/schema"
)

// A tree is what authors wrote, merged over files and by path, without evaluating
// it. CUE says what is wrong with a value but often not where its author wrote
// it; the tree does.
type tree struct {
	fields map[string]*tree
	order  []string // names of fields, as first written
	any    *tree    // fields with computed names, and pattern constraints
	sites  []site
	defs   []string // definitions of the schema that are unified here, without #
}

// A site is a place where a field is written.
type site struct {
	field *ast.Field // nil for an element of a list
	value ast.Expr
	maybe bool // within if, so perhaps not there
	src   *source
}

// pos is where the field's name is written, or the element of a list.
func (s site) pos() token.Pos {
	if s.field != nil {
		return s.field.Label.Pos()
	}
	return s.value.Pos()
}

// text returns the value when it is written as a plain string.
func (s site) text() (string, bool) {
	lit, ok := s.value.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := literal.Unquote(lit.Value)
	return text, err == nil
}

func (t *tree) child(name string) *tree {
	if t.fields == nil {
		t.fields = map[string]*tree{}
	}
	c := t.fields[name]
	if c == nil {
		c = &tree{}
		t.fields[name] = c
		t.order = append(t.order, name)
	}
	return c
}

// computed is the child for names that are not known without evaluating.
func (t *tree) computed() *tree {
	if t.any == nil {
		t.any = &tree{}
	}
	return t.any
}

// find returns the sites of path, exact ones before computed ones.
func (t *tree) find(path []string) []site {
	if t == nil {
		return nil
	}
	if len(path) == 0 {
		return t.sites
	}
	exact := t.fields[path[0]].find(path[1:])
	return append(exact[:len(exact):len(exact)], t.any.find(path[1:])...)
}

// near returns the sites of the longest part of path that is written, and its length.
func (t *tree) near(path []string) ([]site, int) {
	for n := len(path); n > 0; n-- {
		if sites := t.find(path[:n]); len(sites) > 0 {
			return sites, n
		}
	}
	return nil, 0
}

// A fieldVisitor is called for every field, with its path and the kind of its name.
type fieldVisitor func(path []string, name fieldName, s site)

// A fieldName is what is known of a name without evaluating.
type fieldName struct {
	text     string
	hidden   bool // _x, #x
	computed bool // "\(x)", (x), [x]
}

// labelName classifies a label.
func labelName(l ast.Label) fieldName {
	switch x := l.(type) {
	case *ast.Alias:
		if inner, ok := x.Expr.(ast.Label); ok {
			return labelName(inner)
		}
	case *ast.Ident:
		return fieldName{text: x.Name, hidden: strings.HasPrefix(x.Name, "_") || strings.HasPrefix(x.Name, "#")}
	case *ast.BasicLit:
		if text, err := literal.Unquote(x.Value); err == nil {
			return fieldName{text: text}
		}
		return fieldName{text: x.Value}
	}
	return fieldName{computed: true}
}

// A planter grows a tree from files of one package.
type planter struct {
	visit fieldVisitor
	top   map[string][]ast.Expr // top-level fields of all files
	src   *source
	depth int  // of references being followed
	count int  // of references followed
	inDef bool // within a definition of the authors, whose constraints declare nothing
}

// plant returns the tree of a package. visit may be nil.
func plant(sources []*source, visit fieldVisitor) *tree {
	p := &planter{visit: visit, top: map[string][]ast.Expr{}}
	for _, s := range sources {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.Field); ok {
				if name := labelName(f.Label); !name.computed {
					p.top[name.text] = append(p.top[name.text], f.Value)
				}
			}
		}
	}
	root := &tree{}
	for _, s := range sources {
		p.src = s
		p.decls(root, nil, s.file.Decls, false)
	}
	return root
}

func (p *planter) decls(t *tree, path []string, decls []ast.Decl, maybe bool) {
	for _, d := range decls {
		switch x := d.(type) {
		case *ast.Field:
			p.field(t, path, x, maybe)
		case *ast.EmbedDecl:
			p.expr(t, path, x.Expr, maybe)
		case *ast.Comprehension:
			p.expr(t, path, x.Value, maybe || !isFor(x))
			if x.Fallback != nil {
				p.expr(t, path, x.Fallback.Body, true)
			}
		}
	}
}

// isFor reports whether a comprehension is a for. What an if declares may not be
// there; what a for declares is taken to be.
func isFor(c *ast.Comprehension) bool {
	_, ok := c.Clauses[0].(*ast.ForClause)
	return ok
}

func (p *planter) field(t *tree, path []string, f *ast.Field, maybe bool) {
	if p.inDef && (f.Constraint != token.ILLEGAL || isPattern(f)) {
		return
	}
	name := labelName(f.Label)
	s := site{field: f, value: f.Value, maybe: maybe, src: p.src}
	var c *tree
	if name.computed {
		c = t.computed()
	} else {
		c = t.child(name.text)
	}
	c.sites = append(c.sites, s)
	path = append(path[:len(path):len(path)], name.text)
	if p.visit != nil {
		p.visit(path, name, s)
	}
	p.expr(c, path, f.Value, maybe)
}

// Bounds on following references; beyond them, places are less exact.
const (
	maxFollowDepth = 8
	maxFollowCount = 100_000
)

func (p *planter) expr(t *tree, path []string, e ast.Expr, maybe bool) {
	switch x := e.(type) {
	case *ast.StructLit:
		p.decls(t, path, x.Elts, maybe)
	case *ast.ParenExpr:
		p.expr(t, path, x.X, maybe)
	case *ast.Alias:
		p.expr(t, path, x.Expr, maybe)
	case *ast.UnaryExpr:
		if x.Op == token.MUL {
			p.expr(t, path, x.X, maybe)
		}
	case *ast.BinaryExpr:
		if x.Op == token.AND || x.Op == token.OR {
			p.expr(t, path, x.X, maybe || x.Op == token.OR)
			p.expr(t, path, x.Y, maybe || x.Op == token.OR)
		}
	case *ast.ListLit:
		p.list(t, path, x, maybe)
	case *ast.Ident, *ast.SelectorExpr, *ast.IndexExpr:
		if def, ok := schemaDefinition(e); ok {
			t.defs = append(t.defs, def)
			return
		}
		p.follow(t, path, e, maybe)
	}
}

// follow grows the tree by what a reference stands for.
func (p *planter) follow(t *tree, path []string, e ast.Expr, maybe bool) {
	if p.depth == maxFollowDepth || p.count == maxFollowCount {
		return
	}
	outer := p.inDef
	if id, ok := e.(*ast.Ident); ok {
		p.inDef = outer || strings.HasPrefix(id.Name, "#")
	}
	p.depth++
	p.count++
	for _, target := range p.resolve(e) {
		p.expr(t, path, target, maybe)
	}
	p.depth--
	p.inDef = outer
}

func (p *planter) list(t *tree, path []string, l *ast.ListLit, maybe bool) {
	known := true
	for i, el := range l.Elts {
		known = known && plainElement(el)
		var c *tree
		if known {
			c = t.child(strconv.Itoa(i))
		} else {
			c = t.computed()
		}
		c.sites = append(c.sites, site{value: el, maybe: maybe, src: p.src})
		p.expr(c, append(path[:len(path):len(path)], strconv.Itoa(i)), el, maybe)
	}
}

// plainElement reports whether el is exactly one element of a list.
func plainElement(el ast.Expr) bool {
	switch el.(type) {
	case *ast.Comprehension, *ast.Ellipsis:
		return false
	}
	return true
}

// schemaDefinition recognises schema.#Name.
func schemaDefinition(e ast.Expr) (string, bool) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	spec, ok := x.Node.(*ast.ImportSpec)
	if !ok || strings.Trim(spec.Path.Value, `"`) != schema.ImportPath {
		return "", false
	}
	name, ok := sel.Sel.(*ast.Ident)
	if !ok {
		return "", false
	}
	return strings.TrimPrefix(name.Name, "#"), true
}

// resolve returns what a reference to a field of the package stands for, as far
// as that can be said without evaluating.
func (p *planter) resolve(e ast.Expr) []ast.Expr {
	switch x := e.(type) {
	case *ast.Ident:
		if top := p.top[x.Name]; len(top) > 0 && (x.Node == nil || contains(top, x.Node)) {
			return top
		}
		switch n := x.Node.(type) {
		case *ast.LetClause:
			return []ast.Expr{n.Expr}
		case *ast.Alias:
			return []ast.Expr{n.Expr}
		case *ast.Field:
			return []ast.Expr{n.Value}
		case ast.Expr:
			return []ast.Expr{n}
		}
	case *ast.SelectorExpr:
		return p.selected(x.X, labelName(x.Sel))
	case *ast.IndexExpr:
		if l, ok := x.Index.(*ast.BasicLit); ok {
			return p.selected(x.X, labelName(l))
		}
	}
	return nil
}

func contains(exprs []ast.Expr, n ast.Node) bool {
	for _, e := range exprs {
		if alias, ok := e.(*ast.Alias); ok {
			e = alias.Expr
		}
		if ast.Node(e) == n {
			return true
		}
	}
	return false
}

// selected returns the values of the field name in what x stands for.
func (p *planter) selected(x ast.Expr, name fieldName) []ast.Expr {
	if name.computed {
		return nil
	}
	var out []ast.Expr
	for _, e := range p.resolve(x) {
		lit, ok := e.(*ast.StructLit)
		if !ok {
			continue
		}
		for _, d := range lit.Elts {
			if f, ok := d.(*ast.Field); ok && labelName(f.Label).text == name.text {
				out = append(out, f.Value)
			}
		}
	}
	return out
}
