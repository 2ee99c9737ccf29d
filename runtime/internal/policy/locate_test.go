package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

func TestProvenance(t *testing.T) {
	snap := Snapshot{
		"org.cue": []byte(setHead + `#env: *"dev" | "prod" @tag(env)
#Team: schema.#Policy & {control?: [_]: tier: "tenant"}
_sampled: rate: 0.5
`),
		"teams/orders/a.cue": []byte(setHead + `policy: schema.#Policy & {team: "orders"}
policy: control: plain: schema.#Drop & {
	match: tasks: ["x"]
	reason: "not needed"
}
for t in ["a", "b"] {
	policy: control: "c-\(t)": schema.#Sample & _sampled & {match: tasks: [t]}
}
`),
		"teams/orders/b.cue": []byte(`package policies

policy: control: plain: order: 3
if #env == "prod" {
	policy: control: "c-a": order: 4
}
`),
	}
	at := func(file string, line, column int) diag.Pos { return diag.Pos{File: file, Line: line, Column: column} }
	want := map[string]diag.Pos{
		"orders.control.plain":             at("teams/orders/a.cue", 6, 18),
		"orders.control.plain.match":       at("teams/orders/a.cue", 7, 9),
		"orders.control.plain.match.tasks": at("teams/orders/a.cue", 7, 9),
		"orders.control.plain.reason":      at("teams/orders/a.cue", 8, 10),
		"orders.control.plain.order":       at("teams/orders/b.cue", 3, 32),
		"orders.control.c-a":               at("teams/orders/a.cue", 11, 19),
		"orders.control.c-a.match":         at("teams/orders/a.cue", 11, 65),
		"orders.control.c-a.match.tasks":   at("teams/orders/a.cue", 11, 65),
		"orders.control.c-a.rate":          at("org.cue", 7, 17),
		"orders.control.c-b":               at("teams/orders/a.cue", 11, 19),
		"orders.control.c-b.match":         at("teams/orders/a.cue", 11, 65),
		"orders.control.c-b.match.tasks":   at("teams/orders/a.cue", 11, 65),
		"orders.control.c-b.rate":          at("org.cue", 7, 17),
	}
	b := mustCompile(t, snap)
	got := placesOf(b.Provenance)
	for k := range got {
		if len(k) > 5 && k[len(k)-5:] == ".tier" {
			if got[k].File != "org.cue" {
				t.Errorf("%s is set at %s", k, got[k])
			}
			delete(got, k)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	prod, found, err := Compile(snap, Options{Tags: []string{"env=prod"}})
	if err != nil || prod == nil {
		t.Fatal(found, err)
	}
	if got, want := prod.Provenance.Near("orders.control.c-a.order"), at("teams/orders/b.cue", 5, 33); got != want {
		t.Errorf("with the tag, order is set at %s, want %s", got, want)
	}
	if prod.Set.Teams[0].Control["c-a"].Order != 4 || prod.Tags[0] != "env=prod" {
		t.Errorf("the tag has no effect: %+v", prod.Set.Teams[0].Control["c-a"])
	}
}
