package policy

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/schema"
)

func testPlan(t testing.TB) *plan {
	t.Helper()
	p, err := readPlan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// maximal returns the scene of testdata in which every field is given.
func maximal(t *testing.T, name string) scene {
	t.Helper()
	for _, s := range scenes(t, "good") {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("testdata/good/%s.txtar is missing", name)
	return scene{}
}

// The structs name the fields that the schema names, with fitting types.
func TestStructsAgreeWithSchema(t *testing.T) {
	p := testPlan(t)
	agree(t, reflect.TypeFor[Team](), p.definition("Policy"), "Policy")
	agree(t, reflect.TypeFor[Instance](), p.definition("Instance"), "Instance")
}

func agree(t *testing.T, typ reflect.Type, s *shape, path string) {
	t.Helper()
	kinds := map[reflect.Kind]string{
		reflect.String: aText, reflect.Bool: aBool, reflect.Int: aNumber, reflect.Float64: aNumber,
		reflect.Slice: aList, reflect.Map: aStruct, reflect.Struct: aStruct,
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if s.kind != kinds[typ.Kind()] {
		t.Errorf("%s is %s in the schema, but %s in Go", path, s.kind, typ)
		return
	}
	switch typ.Kind() {
	case reflect.Slice, reflect.Map:
		agree(t, typ.Elem(), s.elem, path+".*")
	case reflect.Struct:
		agreeFields(t, typ, s, path)
	}
}

func agreeFields(t *testing.T, typ reflect.Type, s *shape, path string) {
	t.Helper()
	var names []string
	for _, f := range reflect.VisibleFields(typ) {
		if f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		g := s.field(name, "")
		if g == nil {
			t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		if s.required[name] && options != "" {
			t.Errorf("%s.%s must be given, but is %s in Go", path, name, options)
		}
		if s.fields[name] == nil && options != "omitempty" {
			t.Errorf("%s.%s belongs to some variants only, but is not omitempty in Go", path, name)
		}
		agree(t, f.Type, g, path+"."+name)
	}
	slices.Sort(names)
	if want := s.names(""); !slices.Equal(want, names) {
		t.Errorf("%s: the schema has %v, Go has %v", path, want, names)
	}
}

// Everything that the schema permits reaches the structs.
func TestMaximalSetFillsStructs(t *testing.T) {
	unset := map[string]bool{}
	for _, name := range []string{"maximal", "P205"} { // direct streams do not go with everything
		b, _, got := maximal(t, name).judge(t)
		if b == nil {
			t.Fatal(got)
		}
		filled(reflect.ValueOf(b.Set), "Set", unset)
	}
	in, found, err := ReadInstance("sluice.cue", maximal(t, "maximal-instance").files["sluice.cue"].Data)
	if err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	filled(reflect.ValueOf(in), "Instance", unset)
	for path, zero := range unset {
		if zero {
			t.Errorf("%s is filled by nothing", path)
		}
	}
}

// filled records for every field whether it is zero wherever it occurs.
func filled(v reflect.Value, path string, unset map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			filled(v.Elem(), path, unset)
		}
	case reflect.Slice:
		for i := range v.Len() {
			filled(v.Index(i), path, unset)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			filled(v.MapIndex(k), path, unset)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := path + "." + v.Type().Field(i).Name
			if zero, seen := unset[name]; !seen || zero {
				unset[name] = v.Field(i).IsZero()
			}
			filled(v.Field(i), name, unset)
		}
	}
}

// Each action and each type has a definition of its own that says the same as the table.
func TestVariantsHaveDefinitions(t *testing.T) {
	p := testPlan(t)
	for _, def := range []string{"Control", "Rewrite", "Sink"} {
		s := p.definition(def)
		selector := s.field(s.selector, "")
		if len(s.variants) < 4 {
			t.Fatalf("#%s has %d variants", def, len(s.variants))
		}
		for word := range s.variants {
			if !slices.Contains(selector.words, word) {
				t.Errorf("#%s.%s does not name %s", def, s.selector, word)
			}
			v := variantDefinition(p, s, word)
			if v == nil {
				t.Errorf("no definition for %s %s", def, word)
				continue
			}
			if got, want := v.names(""), s.names(word); !slices.Equal(got, want) {
				t.Errorf("%s %s has %v, its definition %v", def, word, want, got)
			}
		}
		if len(selector.words) != len(s.variants) {
			t.Errorf("#%s.%s names %v", def, s.selector, selector.words)
		}
	}
}

func variantDefinition(p *plan, s *shape, word string) *shape {
	for name := range p.decls {
		d := p.definition(strings.TrimPrefix(name, "#"))
		if f := d.fields[s.selector]; strings.HasPrefix(name, "#") && f != nil && len(f.words) == 1 && f.words[0] == word && d.selector == "" {
			return d
		}
	}
	return nil
}

// The schema keeps to its dialect: see the schema rules of the design.
func TestSchemaDialect(t *testing.T) {
	files, err := schemaFiles(full)
	if err != nil {
		t.Fatal(err)
	}
	l := &linter{t: t, plan: testPlan(t)}
	for _, f := range files {
		ast.Walk(f, l.visit, nil)
	}
	if l.fields < 150 || l.choices < 30 {
		t.Errorf("only %d fields and %d choices were looked at", l.fields, l.choices)
	}
}

type linter struct {
	t               *testing.T
	plan            *plan
	fields, choices int
}

func (l *linter) visit(n ast.Node) bool {
	switch x := n.(type) {
	case *ast.Field:
		l.fields++
		name := labelName(x.Label)
		_, nested := x.Label.(*ast.ListLit)
		if doc := docOf(x); !nested && doc == "" && !strings.HasPrefix(name.text, "_") {
			l.t.Errorf("%s: %s has no comment", x.Pos(), name.text)
		} else if !nested && !strings.HasPrefix(name.text, "_") && !strings.HasPrefix(doc, strings.TrimPrefix(name.text, "#")) {
			l.t.Errorf("%s: the comment of %s does not begin with its name: %s", x.Pos(), name.text, doc)
		}
		if b, ok := x.Value.(*ast.BinaryExpr); ok && name.text != "_labelName" {
			l.choice(b)
		}
	case *ast.CallExpr:
		if name := l.called(x); name == "matchN" || name == "matchIf" {
			l.t.Errorf("%s: %s turns the closedness of a definition off", x.Pos(), name)
		}
	case *ast.Ellipsis:
		if x.Type == nil {
			l.t.Errorf("%s: an open struct", x.Pos())
		}
	}
	return true
}

func (l *linter) called(x *ast.CallExpr) string {
	if id, ok := x.Fun.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// choice looks at a disjunction, or at bounds on a value: no structs in it, and at
// its end the words for an author who wrote something else.
func (l *linter) choice(b *ast.BinaryExpr) {
	if b.Op != token.OR {
		l.t.Errorf("%s: bounds without error(…)", b.Pos())
		return
	}
	l.choices++
	switch last := b.Y.(type) {
	case *ast.CallExpr:
		if l.called(last) != "error" {
			l.t.Errorf("%s: the choice does not end in error(…)", b.Pos())
		}
	case *ast.Ident:
		if basicKinds[last.Name] == "" && !strings.HasPrefix(last.Name, "#") {
			l.t.Errorf("%s: the choice ends in %s", b.Pos(), last.Name)
		}
	default:
		l.t.Errorf("%s: the choice does not end in error(…)", b.Pos())
	}
	ast.Walk(b, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && strings.HasPrefix(id.Name, "#") && l.plan.definition(id.Name[1:]).kind == aStruct {
			l.t.Errorf("%s: a choice between structs", b.Pos())
		}
		if _, ok := n.(*ast.StructLit); ok {
			l.t.Errorf("%s: a choice between structs", b.Pos())
		}
		return true
	}, nil)
}

func TestSchemaIsFormatted(t *testing.T) {
	entries, err := schema.FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := schema.FS.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.Source(text, format.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(text) {
			t.Errorf("%s is not formatted", e.Name())
		}
	}
}

// The selectors refuse to select by nothing.
func TestSelectorsAreNotEmpty(t *testing.T) {
	for _, empty := range []string{"match: {}", "match: labels: {}", "match: tags: {}", "unless: {}", "match: tasks: []", "match: metrics: []", "match: kinds: []", "match: origin: []"} {
		text := "package policies\npolicy: team: \"x\"\npolicy: control: a: {action: \"keep\", " + empty
		if !strings.HasPrefix(empty, "match") {
			text += ", match: tasks: [\"x\"]"
		}
		b, found, err := Compile(Snapshot{"p.cue": []byte(text + "}\n")}, Options{})
		if err != nil || b != nil || len(found) != 1 {
			t.Errorf("%s: %v %v", empty, found, err)
		}
	}
}
