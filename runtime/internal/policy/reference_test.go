package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"github.com/google/go-cmp/cmp"
)

// layout says which files make a set.
const layout = "A set of one team lies in one directory. A set of several has a directory for each of them, `teams/<team>`; what stands in\n" +
	"the root or in `teams` counts for every team. The rules of the team `platform` see all tasks, those of another team the tasks\n" +
	"that an entry of [task](#task) gives it. Files named `*_test.cue` hold tests and nothing else. [examples/gitops](../examples/gitops)\n" +
	"is such a set; `sluice init` writes one."

// TestReference keeps schema/README.md what the schema says; -update writes it. The
// examples in it are those of testdata/reference, which are checked like any set:
// there must be one for each section, and for each action or type.
func TestReference(t *testing.T) {
	files, err := filepath.Glob("testdata/reference/*.cue")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	r := &reference{plan: testPlan(t), examples: map[string]string{}}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(name) == "sluice.cue" {
			if _, found, err := ReadInstance(name, text); err != nil || len(found) > 0 {
				t.Fatal(found, err)
			}
			r.instance = bare(text)
			continue
		}
		if b, found, err := Compile(Snapshot{"p.cue": text}, Options{Plugins: pushed}); err != nil || b == nil || len(found) > 0 {
			t.Fatalf("%s: %v %v", name, found, err)
		}
		if out, _ := formatted(t, testFormatter(t), name, text, true); string(out) != string(text) {
			t.Errorf("%s is not formatted: (-want +got)\n%s", name, cmp.Diff(string(out), string(text)))
		}
		r.readExamples(t, name, text)
	}
	got := r.page(t)
	const page = "../../../schema/README.md"
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what the schema says (-update writes it; -want +got):\n%s", page, diff)
	}
}

// bare is a file without its package clause and imports.
func bare(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for len(lines) > 0 && (lines[0] == "" || strings.HasPrefix(lines[0], "package ") || strings.HasPrefix(lines[0], "import ")) {
		lines = lines[1:]
	}
	return strings.Join(lines, "\n")
}

// A reference writes the page.
type reference struct {
	plan     *plan
	out      strings.Builder
	examples map[string]string // by "section" and "section word"
	instance string
	used     map[string]bool // examples that the page has
	anchors  map[string]string
}

// readExamples takes each rule of a set as the example for its section and word.
func (r *reference) readExamples(t *testing.T, name string, text []byte) {
	f, err := parser.ParseFile(name, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		field, ok := d.(*ast.Field)
		if !ok || labelName(field.Label).text != policyField {
			continue
		}
		from, to := field.Pos().Offset(), field.End().Offset()
		source := string(text[from:to])
		fieldsIn(field.Value, func(section *ast.Field) {
			fieldsIn(section.Value, func(rule *ast.Field) {
				key := labelName(section.Label).text
				if def := r.plan.sectionDefinition(key); def != "" {
					if word := selectedWord(r.plan, def, rule.Value); word != "" {
						key += " " + word
					}
				}
				r.examples[key] = source
			})
		})
	}
}

func (r *reference) printf(format string, args ...any) { fmt.Fprintf(&r.out, format, args...) }

// page writes the whole page.
func (r *reference) page(t *testing.T) string {
	r.used, r.anchors = map[string]bool{}, map[string]string{}
	sections := r.sections()
	for _, s := range sections {
		r.anchors[s.def] = s.name
	}
	r.printf("%s", `<!-- Written by TestReference of runtime/internal/policy from the schema and its comments; change those. -->

# The policy language

A policy set is a directory of CUE files of `+"`package policies`"+` that declare one value, `+"`policy`"+`. This page lists
everything it may say; [policies/](../policies) is a set to learn from, and `+"`sluice check`"+` explains each mistake.

`+"```cue\npackage policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\n"+`policy: schema.#Policy & {
	team: "orders"
	control: "no-debug": schema.#Drop & {
		match: metrics: ["*_debug_*"]
		reason: "nobody reads debug metrics after the fact"
	}
}
`+"```\n\n")
	r.printf("%s\n\n%s\n\nA field in **bold** must be given; the others have the default shown, or none.\n\n## Policy\n\n", r.doc("#Policy"), layout)
	r.table(r.fields("Policy"))
	for _, s := range sections {
		r.section(t, s)
	}
	r.structs()
	r.words()
	r.printf("## sluice.cue\n\n%s\n\n", r.doc("#Instance"))
	r.example(r.instance)
	r.table(r.fields("Instance"))
	for key := range r.examples {
		if !r.used[key] {
			t.Errorf("the example for %q belongs to nothing", key)
		}
	}
	return strings.TrimSpace(r.out.String()) + "\n"
}

type section struct{ name, def string }

// sections lists the maps of #Policy, in its order.
func (r *reference) sections() []section {
	var out []section
	for _, name := range r.plan.fieldOrder("Policy", "") {
		if def := r.plan.sectionDefinition(name); def != "" {
			out = append(out, section{name, def})
		}
	}
	return out
}

func (r *reference) section(t *testing.T, s section) {
	r.printf("## %s\n\n%s\n\n", s.name, r.doc("#"+s.def))
	words := r.plan.definition(s.def).variants
	if len(words) == 0 {
		r.exampleFor(t, s.name)
	}
	r.table(r.fields(s.def))
	selector := r.plan.definition(s.def).selector
	for _, word := range r.plan.fieldOrder(r.plan.tableOf(s.def), "") {
		if words[word] == nil {
			continue
		}
		r.printf("### %s %s\n\n", s.name, word)
		if variant := r.plan.variantName(s.def, word); variant != "" {
			r.printf("`schema.#%s`: %s\n\n", variant, r.doc("#"+variant))
		} else {
			r.printf("`%s: %q`: %s.\n\n", selector, word, strings.TrimSuffix(words[word].doc, "."))
		}
		r.exampleFor(t, s.name+" "+word)
		r.table(r.entry(s.def, word))
	}
}

// entry lists the fields that a word adds.
func (r *reference) entry(def, word string) (out []row) {
	fieldsIn(r.plan.decls[r.plan.tableOf(def)].Value, func(f *ast.Field) {
		if labelName(f.Label).text == word {
			out = r.rows("", f.Value)
		}
	})
	return out
}

func (r *reference) exampleFor(t *testing.T, key string) {
	text, ok := r.examples[key]
	if !ok {
		t.Errorf("testdata/reference has no example for %s: write a rule that is typical for it", key)
	}
	r.used[key] = true
	r.example(text)
}

func (r *reference) example(text string) { r.printf("```cue\n%s\n```\n\n", strings.TrimSpace(text)) }

// structs describes the definitions of structs that are neither a section nor one
// of its variants, nor what they have in common.
func (r *reference) structs() {
	r.printf("## Parts of rules\n\n")
	for _, name := range r.definitions() {
		if d := r.plan.definition(name); d.kind == aStruct && r.anchors[name] == "" && !r.isCommon(name) && name != "Policy" && name != "Instance" {
			r.printf("### %s\n\n%s\n\n", name, r.doc("#"+name))
			r.table(r.fields(name))
		}
	}
}

// isCommon reports whether a definition only serves others: it is embedded, or
// stands for one word of a selector.
func (r *reference) isCommon(name string) bool {
	for other := range r.plan.decls {
		for _, lit := range literals(r.plan.decls[other].Value) {
			for _, d := range lit.Elts {
				if embedded(d) == "#"+name {
					return true
				}
			}
		}
	}
	for _, s := range r.sections() {
		for word := range r.plan.definition(s.def).variants {
			if r.plan.variantName(s.def, word) == name {
				return true
			}
		}
	}
	return false
}

// definitions are the names of all definitions, without #, sorted.
func (r *reference) definitions() []string {
	var out []string
	for key := range r.plan.decls {
		if name, ok := strings.CutPrefix(key, "#"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (r *reference) words() {
	r.printf("## Words\n\nValues with a name. What is not allowed is refused with these words.\n\n| name | what | allowed |\n| --- | --- | --- |\n")
	for _, name := range r.definitions() {
		if d := r.plan.definition(name); d.kind != aStruct {
			allowed, message := r.allowed(r.plan.decls["#"+name].Value)
			if message == "" {
				message = allowed
			}
			r.printf("| <a name=%q></a>`%s` | %s | %s |\n", strings.ToLower(name), name, cell(r.doc("#"+name)), cell(message))
		}
	}
	r.printf("\n")
}

func (r *reference) doc(decl string) string {
	return docOf(r.plan.decls[decl])
}

// A row is a field in a table.
type row struct {
	name, allowed, fallback, doc string
	required                     bool
}

func (r *reference) table(rows []row) {
	if len(rows) == 0 {
		r.printf("It has no fields of its own.\n\n")
		return
	}
	r.printf("| field | allowed | default | what |\n| --- | --- | --- | --- |\n")
	for _, x := range rows {
		name := "`" + x.name + "`"
		if x.required {
			name = "**" + name + "**"
		}
		r.printf("| %s | %s | %s | %s |\n", name, cell(x.allowed), cell(x.fallback), cell(x.doc))
	}
	r.printf("\n")
}

// marks of Markdown that comments of the schema contain.
var marks = strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`)

// cell is text for a table; code in it stays as it is, but for the bar.
func cell(s string) string {
	parts := strings.Split(s, "`")
	for i := range parts {
		if i%2 == 0 {
			parts[i] = marks.Replace(parts[i])
		} else {
			parts[i] = strings.ReplaceAll(parts[i], "|", `\|`)
		}
	}
	return strings.Join(parts, "`")
}

func (r *reference) fields(def string) []row { return r.rows("", r.plan.decls["#"+def].Value) }

// rows lists the fields of a struct, those of nested ones and of what it embeds included.
func (r *reference) rows(prefix string, e ast.Expr) []row {
	var out []row
	for _, lit := range literals(e) {
		for _, d := range lit.Elts {
			switch x := d.(type) {
			case *ast.EmbedDecl:
				if d := r.plan.decls[embedded(x)]; d != nil {
					out = append(out, r.rows(prefix, d.Value)...)
				}
			case *ast.Field:
				if _, pattern := x.Label.(*ast.ListLit); !pattern {
					out = append(out, r.row(prefix, x)...)
				}
			}
		}
	}
	return out
}

func (r *reference) row(prefix string, f *ast.Field) []row {
	x := row{name: prefix + labelName(f.Label).text, doc: sentence(docOf(f), labelName(f.Label).text), required: f.Constraint == token.NOT}
	lit, nested := f.Value.(*ast.StructLit)
	if nested && !isMap(lit) {
		x.allowed = "a struct"
		return append([]row{x}, r.rows(x.name+".", lit)...)
	}
	x.fallback = fallback(f.Value)
	x.allowed, _ = r.allowed(f.Value)
	return []row{x}
}

// sentence is a comment without the name with which it begins.
func sentence(doc, name string) string {
	for _, verb := range []string{" is ", " are ", " "} {
		if rest, ok := strings.CutPrefix(doc, name+verb); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return strings.TrimPrefix(doc, name+": ")
}
