package policy

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/schema"
)

// A shape is what the schema says about one place: which fields there are, which
// words, and what for. It is read off the text of the schema, whose dialect is
// narrow enough for that, and serves to explain mistakes; CUE alone decides what
// a mistake is.
type shape struct {
	doc    string
	kind   string   // for people: "a text", "a list", …; "" when it is not known
	words  []string // that may stand here
	loose  bool     // other texts than words may stand here too
	secret bool

	fields   map[string]*shape
	required map[string]bool
	elem     *shape   // of a list, or of a map keyed by name
	keys     *keyRule // of a map keyed by name

	// A rule has further fields that depend on what its action, or type, says.
	selector string
	variants map[string]*shape
}

// A keyRule is what the names in a map must look like.
type keyRule struct {
	name         string // of the rule, such as _labelName
	match, avoid *regexp.Regexp
}

func (k *keyRule) allows(name string) bool {
	return k == nil || (k.match == nil || k.match.MatchString(name)) && (k.avoid == nil || !k.avoid.MatchString(name))
}

// The kinds of values, in words that a reader of a finding knows.
const (
	aText   = "a text"
	aNumber = "a number"
	aBool   = "true or false"
	aList   = "a list"
	aStruct = "a struct"
)

// A plan is the schema as shapes, by name of definition without #.
type plan struct {
	decls  map[string]*ast.Field
	shapes map[string]*shape
}

// readPlan reads the embedded schema.
func readPlan() (*plan, error) {
	files, err := schemaFiles(full)
	if err != nil {
		return nil, err
	}
	p := &plan{decls: map[string]*ast.Field{}, shapes: map[string]*shape{}}
	for _, f := range files {
		for _, d := range f.Decls {
			if x, ok := d.(*ast.Field); ok {
				p.decls[labelName(x.Label).text] = x
			}
		}
	}
	return p, nil
}

// schemaRoot is the directory of the schema's files in positions, so that they are
// never mistaken for files of an author.
const schemaRoot = "sluice:schema/"

// schemaFiles parses the embedded schema, for one use: evaluation writes to the
// result. The brief form has no comments either.
func schemaFiles(how form) ([]*ast.File, error) {
	names, err := fs.Glob(schema.FS, "*.cue")
	if err != nil {
		return nil, fmt.Errorf("embedded schema: %w", err)
	}
	var out []*ast.File
	for _, name := range names {
		text, err := schema.FS.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("embedded schema: %w", err)
		}
		var comments []parser.Option
		if how == full {
			comments = []parser.Option{parser.ParseComments}
		}
		f, err := parser.ParseFile(schemaRoot+name, text, comments...)
		if err != nil {
			return nil, fmt.Errorf("embedded schema: %w", err)
		}
		if how == brief {
			abridge(f)
		}
		out = append(out, f)
	}
	return out, nil
}

// definition returns the shape of #name, or of the helper when name begins with _.
func (p *plan) definition(name string) *shape {
	if s := p.shapes[name]; s != nil {
		return s
	}
	s := &shape{}
	p.shapes[name] = s
	key := name
	if !strings.HasPrefix(name, "_") {
		key = "#" + name
	}
	if d := p.decls[key]; d != nil {
		p.read(s, d.Value)
		s.doc = docOf(d)
		s.secret = s.secret || name == "Secret"
	}
	return s
}

// read adds to s what the expression says.
func (p *plan) read(s *shape, e ast.Expr) {
	switch x := e.(type) {
	case *ast.StructLit:
		s.kind = aStruct
		p.readStruct(s, x)
	case *ast.ParenExpr:
		p.read(s, x.X)
	case *ast.UnaryExpr:
		p.readUnary(s, x)
	case *ast.BinaryExpr:
		p.read(s, x.X)
		p.read(s, x.Y)
	case *ast.BasicLit:
		p.readLiteral(s, x)
	case *ast.ListLit:
		s.kind = aList
		s.elem = &shape{}
		for _, el := range x.Elts {
			if dots, ok := el.(*ast.Ellipsis); ok {
				el = dots.Type
			}
			p.read(s.elem, el)
		}
	case *ast.CallExpr:
		if _, ok := x.Fun.(*ast.SelectorExpr); ok { // strings.MinRunes(1)
			s.kind, s.loose = aText, true
		}
	case *ast.Ident:
		p.readIdent(s, x)
	}
}

// readUnary reads a default (*"series") or a bound (>0, =~"^env://").
func (p *plan) readUnary(s *shape, x *ast.UnaryExpr) {
	if x.Op == token.MUL {
		p.read(s, x.X)
		return
	}
	if lit, ok := x.X.(*ast.BasicLit); ok {
		s.kind = aNumber
		if lit.Kind == token.STRING {
			s.kind, s.loose = aText, true
		}
	}
}

func (p *plan) readLiteral(s *shape, lit *ast.BasicLit) {
	switch lit.Kind {
	case token.STRING:
		s.kind = aText
		if text, err := literal.Unquote(lit.Value); err == nil {
			s.addWord(text)
		}
	case token.INT, token.FLOAT:
		s.kind = aNumber
	case token.TRUE, token.FALSE:
		s.kind = aBool
	}
}

// basicKinds are CUE's own types as a reader knows them.
var basicKinds = map[string]string{"string": aText, "number": aNumber, "int": aNumber, "float": aNumber, "bool": aBool}

func (p *plan) readIdent(s *shape, id *ast.Ident) {
	if kind, ok := basicKinds[id.Name]; ok {
		s.kind, s.loose = kind, kind == aText
		return
	}
	s.merge(p.definition(strings.TrimPrefix(id.Name, "#")))
}

func (s *shape) addWord(w string) {
	if !slices.Contains(s.words, w) {
		s.words = append(s.words, w)
	}
}

// merge adds everything that o says, but for its doc.
func (s *shape) merge(o *shape) {
	if o.kind != "" {
		s.kind = o.kind
	}
	s.secret = s.secret || o.secret
	s.loose = s.loose || o.loose
	for _, w := range o.words {
		s.addWord(w)
	}
	for name, f := range o.fields {
		s.set(name, f, o.required[name])
	}
	if o.elem != nil {
		s.elem, s.keys = o.elem, o.keys
	}
	if o.selector != "" {
		s.selector, s.variants = o.selector, o.variants
	}
}

func (s *shape) set(name string, f *shape, required bool) {
	if s.fields == nil {
		s.fields, s.required = map[string]*shape{}, map[string]bool{}
	}
	s.fields[name] = f
	s.required[name] = required
}

func (p *plan) readStruct(s *shape, lit *ast.StructLit) {
	for _, d := range lit.Elts {
		switch x := d.(type) {
		case *ast.Field:
			f := &shape{}
			p.read(f, x.Value)
			f.doc = docOf(x)
			if l, ok := x.Label.(*ast.ListLit); ok {
				s.elem, s.keys = f, p.keyRule(l.Elts[0])
				continue
			}
			s.set(labelName(x.Label).text, f, x.Constraint == token.NOT)
		case *ast.EmbedDecl:
			p.embed(s, x.Expr)
		}
	}
}

// embed adds a definition, an entry of a table, or a table whose entry a field selects.
func (p *plan) embed(s *shape, e ast.Expr) {
	switch x := e.(type) {
	case *ast.Ident:
		p.readIdent(s, x)
	case *ast.SelectorExpr: // _control.drop
		if table, ok := x.X.(*ast.Ident); ok {
			p.entry(s, table.Name, labelName(x.Sel).text)
		}
	case *ast.IndexExpr:
		table, ok := x.X.(*ast.Ident)
		if !ok {
			return
		}
		switch index := x.Index.(type) {
		case *ast.BasicLit: // _rewrite["set-label"]
			p.entry(s, table.Name, labelName(index).text)
		case *ast.Ident: // _control[action]
			s.selector, s.variants = index.Name, p.definition(table.Name).fields
		}
	}
}

func (p *plan) entry(s *shape, table, name string) {
	if o := p.definition(table).fields[name]; o != nil {
		s.merge(o)
	}
}

func (p *plan) keyRule(e ast.Expr) *keyRule {
	k := &keyRule{}
	if id, ok := e.(*ast.Ident); ok {
		d := p.decls[id.Name]
		if d == nil {
			return nil
		}
		k.name, e = id.Name, d.Value
	}
	ast.Walk(e, func(n ast.Node) bool {
		if u, ok := n.(*ast.UnaryExpr); ok {
			if lit, ok := u.X.(*ast.BasicLit); ok {
				k.add(u.Op, lit)
			}
		}
		return true
	}, nil)
	return k
}

func (k *keyRule) add(op token.Token, lit *ast.BasicLit) {
	text, err := literal.Unquote(lit.Value)
	if err != nil {
		return
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return
	}
	switch op {
	case token.MAT:
		k.match = re
	case token.NMAT:
		k.avoid = re
	}
}

// field returns the shape of the field name, given what the selector of s says.
// Without a known word, the fields of all variants count.
func (s *shape) field(name, variant string) *shape {
	if f := s.fields[name]; f != nil {
		return f
	}
	if v := s.variants[variant]; v != nil {
		return v.fields[name]
	}
	for _, v := range s.variants {
		if f := v.fields[name]; f != nil {
			return f
		}
	}
	return nil
}

// names returns the fields that may stand in s, sorted.
func (s *shape) names(variant string) []string {
	set := maps.Clone(s.fields)
	if set == nil {
		set = map[string]*shape{}
	}
	for word, v := range s.variants {
		if word == variant || s.variants[variant] == nil {
			maps.Copy(set, v.fields)
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// owners returns the variants that have the field name, sorted.
func (s *shape) owners(name string) []string {
	var out []string
	for word, v := range s.variants {
		if v.fields[name] != nil {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return out
}

// closed reports whether s says which fields there are.
func (s *shape) closed() bool { return s != nil && (s.fields != nil || s.elem != nil) }
