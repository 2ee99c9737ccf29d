package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue/ast"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Every struct of the schema refuses a field that it does not know. The test adds
// one to each struct of a set that has them all, one at a time.
func TestEveryStructIsClosed(t *testing.T) {
	b, _, got := maximal(t, "maximal").judge(t)
	if b == nil {
		t.Fatal(got)
	}
	n := 0
	everyObject(t, b.Set.Teams[0], func(path string, text []byte) {
		n++
		set := "package policies\npolicy: " + string(text) + "\n"
		_, found, err := Compile(Snapshot{"p.cue": []byte(set)}, Options{Plugins: pushed})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, path, found)
	})
	in, _, err := ReadInstance("sluice.cue", maximal(t, "maximal-instance").files["sluice.cue"].Data)
	if err != nil {
		t.Fatal(err)
	}
	everyObject(t, in, func(path string, text []byte) {
		n++
		_, found, err := ReadInstance("sluice.cue", text)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, path, found)
	})
	if n < 60 {
		t.Errorf("only %d structs were looked at", n)
	}
}

// intruder is a field of no struct, and a name that no map takes.
const intruder = "zz zz"

func refused(t *testing.T, path string, found []diag.Diagnostic) {
	t.Helper()
	if len(found) != 1 || found[0].Code != diag.UnknownField && found[0].Code != diag.BadName || !strings.Contains(found[0].Message, intruder) {
		t.Errorf("%s takes an unknown field, or refuses it with other words: %v", path, found)
	}
}

// everyObject calls f with the JSON of v, each time with one object spoilt.
func everyObject(t *testing.T, v any, f func(path string, text []byte)) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(node any, path []string)
	walk = func(node any, path []string) {
		switch x := node.(type) {
		case map[string]any:
			for _, name := range sorted(x) {
				walk(x[name], append(slices.Clone(path), name))
			}
			if len(path) > 0 && (path[len(path)-1] == "map" || path[len(path)-1] == "config") {
				return // the table of map-value has values of a label for names; the config of a plugin has what its own schema says
			}
			x[intruder] = 1
			text, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			delete(x, intruder)
			f("."+strings.Join(path, "."), text)
		case []any:
			for i, el := range x {
				walk(el, append(slices.Clone(path), fmt.Sprint(i)))
			}
		}
	}
	walk(root, nil)
}

// holes are sets that CUE accepts in silence, although they mean nothing or
// something else. When plain CUE begins to refuse one, this test says so.
var holes = []struct {
	name, text string
	code       diag.Code
}{
	{"hidden label", `policy: control: a: {match: labels: {_env: ["x"], host: ["y"]}, action: "keep"}`, diag.NoEffect},
	{"hidden tag", `policy: task: a: {match: tasks: ["x"], tags: {_tier: "gold", owner: "orders"}}`, diag.NoEffect},
	{"optional rule", `policy: control: a?: {match: tasks: ["x"], action: "keep"}`, diag.NoEffect},
	{"definition for a rule", `policy: control: #a: {match: tasks: ["x"], action: "keep"}`, diag.NoEffect},
	{"stray field", `polcy: control: a: {match: tasks: ["x"], action: "keep"}`, diag.Stray},
	{"open struct", `policy: {..., team: "orders"}` + "\n" + `contrl: 3`, diag.Stray},
	{"cycle against a default", `policy: control: a: {match: tasks: ["x"], action: "keep", order: _a}` + "\n_a: _b + 1\n_b: _a - 1", diag.Cycle},
	{"conditional file", `_x: 1 @if(prod)`, diag.Forbidden},
}

func TestSilentHoles(t *testing.T) {
	const head = "package policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\npolicy: schema.#Policy & {team: \"orders\"}\n"
	for _, h := range holes {
		t.Run(h.name, func(t *testing.T) {
			s, found := parse("p.cue", []byte(head+h.text+"\n"))
			if s == nil {
				t.Fatal(found)
			}
			e, err := evaluate([]*ast.File{s.file}, field(policyField))
			if err != nil {
				t.Fatal(err)
			}
			if len(e.wrong) > 0 {
				t.Errorf("plain CUE now refuses it: %v", e.wrong)
			}
			_, found, err = Compile(Snapshot{"p.cue": []byte(head + h.text + "\n")}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || found[0].Code != h.code {
				t.Errorf("found %v, want one %s", found, h.code)
			}
		})
	}
}

// A set that does not mention the schema, or #Team, is bound to both all the same.
func TestBindingCannotBeAvoided(t *testing.T) {
	org := []byte("package policies\n#Team: control?: [_]: tier: \"tenant\" | error(\"tenant only\")\n")
	for _, body := range []string{
		`policy: {team: "orders", control: a: {tier: "guard", match: tasks: ["x"], action: "keep"}}`,
		`policy: {team: "orders", control: a: {tier: "guard", match: tasks: ["x"], action: "keep"}, ...}`,
		`imposedSchema: #Policy: {...}` + "\n" + `policy: {team: "orders", control: a: {tier: "guard", match: tasks: ["x"], action: "keep"}}`,
		`let imposedSchema = {#Policy: {...}}` + "\n" + `policy: {team: "orders", control: a: {tier: "guard", match: tasks: ["x"], action: "keep"}}`,
		`#Team: {...}` + "\n" + `policy: {team: "orders", control: a: {tier: "guard", match: tasks: ["x"], action: "keep"}}`,
	} {
		b, found, err := Compile(Snapshot{"org.cue": org, "teams/orders/p.cue": []byte("package policies\n" + body + "\n")}, Options{})
		if err != nil || b != nil || !diag.Refused(found) {
			t.Errorf("%s\n%v %v", body, found, err)
		}
	}
}
