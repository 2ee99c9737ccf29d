package program

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// What two versions of a plugin do to traffic is counted, and what it costs, for both scopes.
func TestDiffOfTransforms(t *testing.T) {
	with := func(plugin, scope, onError string) *policy.Set {
		return &policy.Set{Teams: []policy.Team{{APIVersion: "v1", Name: "t", Transform: map[string]policy.Transform{"users": {
			Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Labels: map[string][]string{"user": {"?*"}}}},
			Plugin:  plugin, Scope: scope, OnError: onError,
		}}}}}
	}
	second := upper()
	second.about.Version, second.about.Digest = "2.0.0", "sha256:2"
	second.series = func(name string, labels metric.Labels) (Transformed, error) {
		switch labels.Get("user") {
		case "ann":
			return Transformed{}, &TransformError{Code: "trap", Message: "no"}
		case "bob":
			return Transformed{Dropped: true, Fuel: 50}, nil
		}
		return Transformed{Name: name, Labels: labels, Fuel: 50}, nil
	}
	known := plugins{"one": upper(), "two": second}
	load := func(user string) Load {
		return Load{Input: Input{Task: "t-1", Name: "m", Kind: metric.Gauge, Labels: metric.Labels{}.Set("user", user).Set("x", "y")}, Samples: 60, Bytes: 60}
	}
	diff := func(before, after *policy.Set) (*Impact, []TransformChange) {
		changes, err := DiffRules(Written{Set: before}, Written{Set: after})
		if err != nil {
			t.Fatal(err)
		}
		a, found := Compile(before, Options{Plugins: known})
		b, more := Compile(after, Options{Plugins: known})
		if a == nil || b == nil {
			t.Fatal(found, more)
		}
		d := NewDiffer(a, b, 60, changes)
		for _, user := range []string{"ann", "bob", "nobody", "root", ""} {
			l := load(user)
			d.Add(&l)
		}
		return d.Impact(), d.Transforms()
	}
	i, list := diff(with("one", "series", "quarantine"), with("two", "series", "quarantine"))
	want := []TransformChange{{
		RuleAt: RuleAt{Section: "transform", Rule: "t/users"}, Otherwise: 4, NewlyDropped: 1, NewlyFailed: 1,
		Before: &TransformUse{Name: "upper", Version: "1.0.0", Digest: "sha256:1", Scope: "series", Calls: 4, Changed: 2, Dropped: 1, Failed: map[string]int{"trap": 1}},
		After:  &TransformUse{Name: "upper", Version: "2.0.0", Digest: "sha256:2", Scope: "series", Calls: 4, Dropped: 1, Failed: map[string]int{"trap": 1}, Fuel: 150},
	}}
	timeless := cmpopts.IgnoreFields(TransformUse{}, "Nanoseconds")
	if d := cmp.Diff(want, list, timeless); d != "" {
		t.Error(d)
	}
	if i.Before.Series != 3 || i.After.Series != 3 || i.Unchanged != 1 {
		t.Errorf("%+v", i)
	}
	if f := list[0].After.FuelPerRecord(); f != 37.5 {
		t.Errorf("fuel per record: %v", f)
	}

	i, list = diff(&policy.Set{}, with("one", "sample", "drop"))
	want = []TransformChange{{
		RuleAt: RuleAt{Section: "transform", Rule: "t/users"},
		After:  &TransformUse{Name: "upper", Version: "1.0.0", Digest: "sha256:1", Scope: "sample", Calls: 4, Changed: 2, Dropped: 1, Failed: map[string]int{"trap": 1}, Fuel: 37},
	}}
	if d := cmp.Diff(want, list, timeless); d != "" {
		t.Error(d)
	}
	if i.Before.Series != 5 || i.After.Series != 3 || len(i.Relabels) == 0 || i.Relabels[0].Scale == nil || i.Relabels[0].Scale[1] != 2 {
		t.Errorf("%+v", i)
	}
	same, list := diff(with("one", "sample", "pass"), with("one", "sample", "pass"))
	if list[0].Otherwise != 0 || same.Unchanged != 5 || same.After.Series != 4 {
		t.Errorf("%+v %+v", same, list)
	}
	tried := with("one", "sample", "pass")
	r := tried.Teams[0].Transform["users"]
	r.Shadow = 0.5
	tried.Teams[0].Transform["users"] = r
	if i, list := diff(&policy.Set{}, tried); i.Unchanged != 5 || list[0].After.Dropped != 1 {
		t.Errorf("only tried: %+v %+v", i, list)
	}
}

// A plugin that fails is called until that has taken long in all; what it was not called
// for is told apart, and counts as failed.
func TestDiffGivesUpAskingAPluginThatFails(t *testing.T) {
	failing := upper()
	calls := 0
	failing.series = func(string, metric.Labels) (Transformed, error) {
		calls++
		return Transformed{}, &TransformError{Code: "deadline", Message: "its time was over"}
	}
	for _, scope := range []string{"series", "sample"} {
		p, found := Compile(&policy.Set{Teams: []policy.Team{{APIVersion: "v1", Name: "t", Transform: map[string]policy.Transform{"users": {
			Ordered: policy.Ordered{Enabled: true}, Plugin: "it", Scope: scope, OnError: "quarantine",
		}}}}}, Options{Plugins: plugins{"it": failing}})
		if p == nil {
			t.Fatal(found)
		}
		diff := func(patience time.Duration) *TransformUse {
			d := NewDiffer(p, p, 60, nil)
			d.before.tally.patience, d.after.tally.patience = patience, patience
			for i := range 20 {
				d.Add(&Load{Input: Input{Task: "t-1", Name: fmt.Sprint("m", i), Kind: metric.Gauge}, Samples: 60})
			}
			if got := d.Impact().After.Series; got != 0 {
				t.Errorf("%s: %d series go on", scope, got)
			}
			return d.Transforms()[0].After
		}
		if u := diff(time.Hour); u.Calls != 20 || u.Failed["deadline"] != 20 || u.Failed[NotAsked] != 0 {
			t.Errorf("%s: a plugin that was asked about all: %+v", scope, u)
		}
		if u := diff(0); u.Calls != 1 || u.Failed["deadline"] != 1 || u.Failed[NotAsked] != 19 {
			t.Errorf("%s: with no patience: %+v", scope, u)
		}
		if calls != 2*20+2 {
			t.Errorf("%s: %d calls", scope, calls)
		}
		calls = 0
	}
}
