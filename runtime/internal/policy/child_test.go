package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/confine"
)

// A child says what this process says.
func TestChildAgrees(t *testing.T) {
	child := testChild(t, Limits{})
	for name, snap := range map[string]Snapshot{
		"good":    set(`policy: control: a: schema.#Keep & {match: tasks: ["x"], expires: "2026-11-25"}`),
		"bad":     set(`policy: control: a: schema.#Keep & {match: task: ["x"]}`),
		"nothing": {},
		"binary":  {"policy.cue": []byte("\xff\x00")},
	} {
		opt := Options{Today: today}
		want, wantFound, err := Compile(snap, opt)
		if err != nil {
			t.Fatal(err)
		}
		opt.Child = child
		got, found, err := compile(t.Context(), snap, nil, opt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: bundles differ: %s", name, diff)
		}
		if diff := cmp.Diff(wantFound, found, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: findings differ: %s", name, diff)
		}
	}
}

// hostile sets take more than they may. Each is a few bytes.
var hostile = map[string]struct {
	text   string
	limits Limits
	want   string
}{
	"endless list": {
		`_x: list.Range(0, 3_000_000_000, 1)` + "\n" + `policy: control: a: {match: tasks: ["x"], action: "keep", order: len(_x)}`,
		Limits{CPU: time.Minute, Wall: 500 * time.Millisecond, Memory: 1 << 30}, "time",
	},
	"processor": {
		`_x: list.Range(0, 3_000_000_000, 1)` + "\n" + `policy: control: a: {match: tasks: ["x"], action: "keep", order: len(_x)}`,
		Limits{CPU: time.Second, Wall: time.Minute, Memory: 4 << 30}, "processor time",
	},
	"doubling": {
		`_a: strings.Repeat("x", 1_000_000)` + "\n" + `_b: strings.Repeat(_a, 100) + strings.Repeat(_a, 101)` + "\n" + `_c: _b + _b + _b + _b` + "\n" +
			`policy: description: strings.Repeat(_c + _b, 3)`,
		Limits{CPU: time.Minute, Wall: time.Minute, Memory: 100 << 20}, "memory",
	},
}

func TestChildBoundsHostileSets(t *testing.T) {
	for name, h := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "package policies\n\nimport (\n"
			for _, pkg := range []string{"list", "strings"} {
				if strings.Contains(h.text, pkg+".") {
					text += "\t\"" + pkg + "\"\n"
				}
			}
			text += ")\n\npolicy: team: \"orders\"\n" + h.text + "\n"
			b, found, err := compile(t.Context(), Snapshot{"policy.cue": []byte(text)}, nil, Options{Child: testChild(t, h.limits)})
			if err != nil || b != nil || len(found) != 1 || found[0].Code != diag.TooExpensive {
				t.Fatalf("%v %v", found, err)
			}
			if want := "takes more " + h.want + " to"; !strings.Contains(found[0].Message, want) {
				t.Errorf("%q does not say %q", found[0].Message, want)
			}
		})
	}
}

// In a set of several teams the one that takes too much is named, and its file.
func TestChildNamesTheTeamThatTakesTooMuch(t *testing.T) {
	snap := Snapshot{}
	for _, team := range []string{"aa", "bb", "cc"} {
		snap["teams/"+team+"/policy.cue"] = []byte("package policies\npolicy: team: \"" + team + "\"\n")
	}
	snap["teams/bb/policy.cue"] = []byte("package policies\nimport \"strings\"\npolicy: team: \"bb\"\n" +
		`_a: strings.Repeat("x", 1_000_000)` + "\n" + `policy: description: strings.Repeat(_a, 200)` + "\n")
	_, found, err := compile(t.Context(), snap, nil, Options{Child: testChild(t, Limits{CPU: time.Minute, Wall: time.Minute, Memory: 100 << 20})})
	if err != nil || len(found) != 1 || found[0].Code != diag.TooExpensive {
		t.Fatal(found, err)
	}
	if !strings.Contains(found[0].Message, "teams/bb") {
		t.Errorf("%q does not name the team", found[0].Message)
	}
}

// A child lets go of what it has evaluated: what it holds grows with the largest
// team and with what it answers, not with the syntax of all of them.
func TestChildHoldsOneTeamAtATime(t *testing.T) {
	b, found, err := compile(t.Context(), manyRules(5000, 100), nil, Options{Child: testChild(t, Limits{CPU: time.Minute, Wall: time.Minute, Memory: 48 << 20})})
	if err != nil || b == nil || len(b.Set.Teams) != 100 {
		t.Error(found, err)
	}
}

func TestProgress(t *testing.T) {
	p := &progress{other: confine.Capped{Left: maxTold}}
	for _, part := range []string{"begin 0\nbeg", "in 2\ndone 0\n", "begin x\npanic: ", "no more", strings.Repeat("x", 3*maxTold)} {
		if n, err := p.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	work := judgement{Packages: []teamPackage{{Team: "a"}, {Team: "b"}, {Team: "c"}}}
	if got := work.busy(p); len(got) != 1 || got[0].Team != "c" {
		t.Errorf("in work: %v", got)
	}
	if said := p.String(); !strings.HasPrefix(said, "begin x\npanic: no more") || len(said) > 2*maxTold {
		t.Errorf("%d bytes: %.40q", len(said), said)
	}
}

func TestChildFaults(t *testing.T) {
	snap := set("")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Child{
		"no command":  {},
		"no program":  {Command: []string{"/nonexistent/sluice"}},
		"other words": {Command: []string{self, "-test.run=^$"}},
	} {
		if b, found, err := compile(t.Context(), snap, nil, Options{Child: c}); err == nil || b != nil || found != nil {
			t.Errorf("%s: %v %v %v", name, b, found, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := compile(gone, snap, nil, Options{Child: testChild(t, Limits{})}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestServeChildRefusesGarbage(t *testing.T) {
	var out bytes.Buffer
	if err := ServeChild(strings.NewReader("not JSON"), &out, io.Discard); err == nil || out.Len() > 0 {
		t.Errorf("%v %q", err, out.String())
	}
}

func TestReadAnswerRefusesGarbage(t *testing.T) {
	for _, text := range []string{"", "{", `{"more":1}`, `{}{}`, `{"fault":"disk"}`, `{"judged":{}}`, `{"team":-1,"judged":{}}{}`} {
		if _, _, err := readAnswer([]byte(text), judgement{}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
