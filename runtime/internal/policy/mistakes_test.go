package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// mistakes are lines of a policy with exactly one mistake each, and its code. N
// stands for a number that makes names unique.
var mistakes = []struct {
	line string
	code diag.Code
}{
	{`policy: control: "rN": schema.#Keep & {match: tasks: ["x"]}`, ""},
	{`policy: control: "rN": schema.#Keep & {match: tasks: ["x"], oder: 3}`, diag.UnknownField},
	{`policy: control: "rN": schema.#Keep & {match: task: ["x"]}`, diag.UnknownField},
	{`policy: control: "rN": schema.#Keep & {mach: tasks: ["x"]}`, diag.UnknownField},
	{`policy: control: "rN": schema.#Keep & {match: tasks: ["x"], rate: 0.5}`, diag.UnknownField},
	{`policy: control: "rN": {match: tasks: ["x"], action: "kepp"}`, diag.BadValue},
	{`policy: control: "rN": schema.#Sample & {match: tasks: ["x"], rate: 7}`, diag.BadValue},
	{`policy: control: "rN": schema.#Keep & {match: tasks: "x"}`, diag.BadValue},
	{`policy: control: "rN": schema.#Keep & {match: tasks: []}`, diag.BadValue},
	{`policy: control: "rN": schema.#Keep & {match: kinds: ["gaug"]}`, diag.BadValue},
	{`policy: control: "rN": "keep"`, diag.BadValue},
	{`policy: control: "R_N": schema.#Keep & {match: tasks: ["x"]}`, diag.BadName},
	{`policy: control: "rN": schema.#Keep & {match: labels: "a-b": ["x"]}`, diag.BadName},
	{`policy: control: "rN": schema.#Keep & {match: labels: {_a: ["x"], b: ["x"]}}`, diag.NoEffect},
	{`policy: control: "rN"?: schema.#Keep & {match: tasks: ["x"]}`, diag.NoEffect},
	{`straN: control: "rN": schema.#Keep & {match: tasks: ["x"]}`, diag.Stray},
	{`policy: control: "rN": schema.#Drop & {match: tasks: ["x"]}`, diag.Missing},
	{`policy: control: "rN": schema.#Keep`, diag.Missing},
	{`policy: control: "rN": schema.#Keep & {match: tasks: [string]}`, diag.NotConcrete},
	{`policy: control: "rN": schema.#Keep & {match: tasks: ["x"], order: 3, order: 4}`, diag.Conflict},
	{`policy: control: "rN": schema.#Keep & {match: {}}`, diag.EmptyMatch},
	{`policy: sink: "rN": schema.#RemoteWrite & {url: "https://x/", default: true, bearer: "hunter2"}`, diag.SecretInline},
	{`policy: control: "rN": schema.#Keep & {match: tasks: ["x"], order: 1 / 0}`, diag.Unevaluated},
	{`policy: rewrite: "rN": schema.#ShortID & {match: tasks: ["x"], label: "l", length: 99}`, diag.BadValue},
	{`policy: stream: "rN": {topics: ["tN"], level: "none", partition: 3}`, diag.UnknownField},
	{`policy: test: "rN": {given: [{task: "t"}], expect: kept: []}`, diag.Missing},
	{`for t in ["a"] {policy: control: "rN-\(t)": schema.#Thin & {match: tasks: [t], every: "1y"}}`, diag.BadValue},
}

// However many mistakes there are and in whatever order, each gets one finding, on
// its own line.
func TestOneFindingPerMistake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		picks := rapid.SliceOfN(rapid.IntRange(0, len(mistakes)-1), 1, 12).Draw(t, "mistakes")
		var body strings.Builder
		var want []string
		first := strings.Count(setHead, "\n") + 2
		for i, m := range picks {
			fmt.Fprintln(&body, strings.ReplaceAll(mistakes[m].line, "N", fmt.Sprint(i)))
			if mistakes[m].code != "" {
				want = append(want, fmt.Sprintf("line %d: %s", first+i, mistakes[m].code))
			}
		}
		b, found, err := Compile(set(body.String()), Options{})
		if err != nil || (b != nil) != (len(want) == 0) {
			t.Fatalf("%v %v", found, err)
		}
		var got []string
		for _, d := range found {
			got = append(got, fmt.Sprintf("line %d: %s", d.Pos.Line, d.Code))
			if strings.Contains(d.Message+d.Hint, "hunter2") {
				t.Errorf("the secret shows: %+v", d)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, body.String())
		}
	})
}
