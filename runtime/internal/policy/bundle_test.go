package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func mustCompile(t testing.TB, snap Snapshot) *Bundle {
	t.Helper()
	b, found, err := Compile(snap, Options{})
	if err != nil || b == nil {
		t.Fatalf("%v %v", found, err)
	}
	return b
}

const setHead = "package policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\n"

func set(body string) Snapshot {
	return Snapshot{"policy.cue": []byte(setHead + "policy: schema.#Policy & {team: \"orders\"}\n" + body + "\n")}
}

func TestBundleRoundTrip(t *testing.T) {
	b, _, got := maximal(t, "maximal").judge(t)
	if b == nil {
		t.Fatal(got)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadBundle(text)
	if err != nil {
		t.Fatal(err)
	}
	deployed := *b
	deployed.Set = b.Set.deployed()
	if diff := cmp.Diff(&deployed, read, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	again, err := json.Marshal(read)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("marshalled twice, the texts differ: %v", err)
	}
}

func TestReadBundleRefuses(t *testing.T) {
	text, err := json.Marshal(mustCompile(t, set(`policy: control: a: schema.#Keep & {match: tasks: ["x"]}`)))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing":       "",
		"not JSON":      "policy: {}",
		"another type":  "[]",
		"half":          string(text[:len(text)/2]),
		"unknown field": strings.Replace(string(text), `"set":`, `"more":1,"set":`, 1),
		"changed set":   strings.Replace(string(text), `"order":100`, `"order":101`, 1),
		"no digest":     regexp.MustCompile(`"digest":"[0-9a-f]*"`).ReplaceAllString(string(text), `"digest":""`),
		"later":         strings.Replace(string(text), `"schema":"v1"`, `"schema":"v2"`, 1),
		"more after it": string(text) + "{}",
		"spaced":        strings.Replace(string(text), `{"teams":`, `{"teams": `, 1),
		"no set":        `{"digest":"` + digestOf(nil) + `","versions":{"schema":"v1","cue":"x"}}`,
		"another set":   `{"set":[],"digest":"` + digestOf([]byte("[]")) + `","versions":{"schema":"v1","cue":"x"}}`,
	} {
		if _, err := ReadBundle([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDigest(t *testing.T) {
	base := mustCompile(t, set(`policy: control: a: schema.#Keep & {match: tasks: ["x"]}`))
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(base.Digest) {
		t.Errorf("digest %q", base.Digest)
	}
	same := map[string]Snapshot{
		"without variant": set(`policy: control: a: {match: tasks: ["x"], action: "keep"}`),
		"default given":   set(`policy: control: a: schema.#Keep & {order: 100, match: tasks: ["x"], enabled: true}`),
		"helper":          set("_x: [\"x\"]\npolicy: control: a: schema.#Keep & {match: tasks: _x}"),
		"two files": {
			"a.cue": []byte(setHead + `policy: schema.#Policy & {control: a: match: tasks: ["x"]}`),
			"b.cue": []byte("package policies\npolicy: {team: \"orders\", control: a: action: \"keep\"}"),
		},
		"with a test": {
			"a.cue":      set(`policy: control: a: schema.#Keep & {match: tasks: ["x"]}`)["policy.cue"],
			"a_test.cue": []byte("package policies\npolicy: test: t: {given: [{task: \"x\", metric: \"m\"}], expect: kept: [{metric: \"m\"}]}"),
		},
	}
	for name, snap := range same {
		if b := mustCompile(t, snap); b.Digest != base.Digest {
			t.Errorf("%s: another digest", name)
		}
	}
	for name, body := range map[string]string{
		"order":   `policy: control: a: schema.#Keep & {match: tasks: ["x"], order: 99}`,
		"name":    `policy: control: b: schema.#Keep & {match: tasks: ["x"]}`,
		"pattern": `policy: control: a: schema.#Keep & {match: tasks: ["y"]}`,
		"field":   `policy: control: a: schema.#Keep & {match: metrics: ["x"]}`,
	} {
		if b := mustCompile(t, set(body)); b.Digest == base.Digest {
			t.Errorf("%s: the same digest", name)
		}
	}
}

// However rules are spread over files and in whatever order they are written, the
// set and its digest are the same.
func TestDigestDoesNotDependOnOrder(t *testing.T) {
	rules := make([]string, 12)
	for i := range rules {
		rules[i] = fmt.Sprintf("policy: control: \"r%d\": schema.#Drop & {match: metrics: [\"m%d\", \"n\"], reason: \"not needed\", order: %d}\n", i, i, i%3)
	}
	want := mustCompile(t, set(strings.Join(rules, "")))
	rapid.Check(t, func(t *rapid.T) {
		snap := Snapshot{}
		for i, rule := range rapid.Permutation(rules).Draw(t, "order") {
			name := fmt.Sprintf("f%d.cue", rapid.IntRange(0, 3).Draw(t, fmt.Sprint("file", i)))
			if snap[name] == nil {
				snap[name] = []byte(setHead + "policy: schema.#Policy & {team: \"orders\"}\n")
			}
			snap[name] = append(snap[name], rule...)
		}
		b, found, err := Compile(snap, Options{})
		if err != nil || b == nil {
			t.Fatalf("%v %v", found, err)
		}
		if b.Digest != want.Digest {
			t.Fatal("another digest")
		}
		if diff := cmp.Diff(want.Set, b.Set); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestCUEVersionIsThatOfTheModule(t *testing.T) {
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\tcuelang.org/go "+cueVersion+"\n") {
		t.Errorf("go.mod does not have cuelang.org/go %s", cueVersion)
	}
}
