package program

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// plugins are those of tests, by what a transform names. They count their calls.
type plugins map[string]*fakePlugin

func (p plugins) Open(rule *policy.Transform) (Transformer, error) {
	if f := p[rule.Plugin]; f != nil {
		return f, nil
	}
	return nil, errors.New("it is not here")
}

type fakePlugin struct {
	about  Plugin
	series func(name string, labels metric.Labels) (Transformed, error)
	calls  int // for live traffic
	asked  int
}

func (f *fakePlugin) Plugin() Plugin { return f.about }

func (f *fakePlugin) Series(name string, labels metric.Labels) (Transformed, error) {
	f.calls++
	return f.series(name, labels)
}

func (f *fakePlugin) Ask(name string, labels metric.Labels) (Transformed, error) {
	f.asked++
	return f.series(name, labels)
}

func (f *fakePlugin) Samples(in []Sample) (out []SampleOut, fuel uint64, err error) {
	for i, s := range in {
		t, err := f.series(s.Name, s.Labels)
		if err != nil {
			return nil, 7, err
		}
		if !t.Dropped {
			out = append(out, SampleOut{Sample: Sample{t.Name, t.Labels, s.Kind, s.Time, 2 * s.Value}, Source: i})
		}
	}
	return out, 10 * uint64(len(in)), nil
}

// upper makes a plugin that writes the label user in capitals, ends the series of
// nobody, and fails for root.
func upper() *fakePlugin {
	return &fakePlugin{
		about: Plugin{Name: "upper", Version: "1.0.0", Digest: "sha256:1", Reads: []string{"user"}, Writes: []string{"user"}, Drops: true},
		series: func(name string, labels metric.Labels) (Transformed, error) {
			switch user := labels.Get("user"); user {
			case "nobody":
				return Transformed{Dropped: true}, nil
			case "root":
				return Transformed{}, &TransformError{Code: "trap", Message: "unreachable"}
			default:
				return Transformed{Name: name, Labels: append(metric.Labels{}, labels...).Set("user", strings.ToUpper(user))}, nil
			}
		},
	}
}

// transforming is a set whose transform stands between two rewrites.
func transforming(scope, onError string) *policy.Set {
	all := policy.Ordered{Enabled: true, Order: 100, Match: policy.Match{Metrics: []string{"*"}}}
	first, last := all, all
	first.Order, last.Order = 1, 200
	return &policy.Set{Teams: []policy.Team{{
		Name: "platform",
		Rewrite: map[string]policy.Rewrite{
			"a-first": {Ordered: first, Action: "rename-label", From: "u", To: "user"},
			"z-last":  {Ordered: last, Action: "rename-label", From: "user", To: "who"},
		},
		Transform: map[string]policy.Transform{"upper": {Ordered: all, Plugin: "upper", Scope: scope, OnError: onError}},
	}}}
}

func compileWith(t *testing.T, set *policy.Set, with plugins) *Program {
	t.Helper()
	p, found := Compile(set, Options{Plugins: with})
	if p == nil {
		t.Fatal(found)
	}
	return p
}

func userSeries(user string) Input {
	return Input{Task: "t", Name: "m", Labels: metric.Labels{}.Set("u", user)}
}

func TestTransformStandsAmongTheRewrites(t *testing.T) {
	up := upper()
	p := compileWith(t, transforming("series", "quarantine"), plugins{"upper": up})
	v := p.Decide(userSeries("ann"), Filter{}, Filter{})
	if v.Disposition != ledger.Out || v.Labels.Get("who") != "ANN" || len(v.Labels) != 1 || v.Transform != nil {
		t.Errorf("%+v", v)
	}
	_, events := p.Explain(userSeries("ann"))
	e := events[1]
	if r := p.Rules()[e.Rule]; r.Section != SectionTransform || r.Action != "series" || !e.Changed() ||
		e.Before.Labels.Get("user") != "ann" || e.After.Labels.Get("user") != "ANN" {
		t.Errorf("%+v: %+v", r, e)
	}
	if list := p.Transforms(); len(list) != 1 || list[0].ID != "platform/upper" || p.Rules()[list[0].Rule].ID != "platform/upper" {
		t.Errorf("%+v", list)
	}
}

// What a plugin makes of a series may depend on its name, so that what was made of
// another series of the same labels says nothing.
func TestMemoAsksPluginForEverySeries(t *testing.T) {
	up := upper()
	p := compileWith(t, transforming("series", "quarantine"), plugins{"upper": up})
	var m Memo
	in := userSeries("ann")
	for _, name := range []string{"a", "b"} {
		in.Name = name
		if v := m.Decide(p, in, Filter{}, Filter{}); v.Name != name || v.Labels.Get("who") != "ANN" {
			t.Errorf("%+v", v)
		}
	}
	if up.calls != 2 {
		t.Errorf("%d calls for two series", up.calls)
	}
}

// Whoever asks is told apart from live traffic.
func TestQuestionsAreNotLive(t *testing.T) {
	up := upper()
	p := compileWith(t, transforming("series", "quarantine"), plugins{"upper": up})
	p.Explain(userSeries("ann"))
	p.Rewrite(userSeries("ann"))
	p.Decide(userSeries("ann"), Filter{}, Filter{})
	p.TryTest(&policy.Test{Given: []policy.TestInput{{Metric: "m", Task: "t", Kind: "gauge", Labels: map[string]string{"u": "ann"}, Value: 1, At: "0s"}}}, "platform", classify)
	d := NewDiffer(p, p, 60, nil)
	d.Add(&Load{Input: userSeries("ann"), Samples: 60, Bytes: 60})
	if up.calls != 0 || up.asked < 6 {
		t.Errorf("%d calls for live traffic, %d for questions", up.calls, up.asked)
	}
}

func TestTransformEndsOrFails(t *testing.T) {
	for name, tt := range map[string]struct {
		user, onError string
		want          ledger.Disposition
		failed        bool
		label         string
	}{
		"it drops":          {"nobody", "quarantine", ledger.Dropped, false, ""},
		"quarantine":        {"root", "quarantine", ledger.Quarantined, true, ""},
		"drop what fails":   {"root", "drop", ledger.Dropped, true, ""},
		"stop":              {"root", "stop", ledger.Quarantined, true, ""},
		"pass what fails":   {"root", "pass", ledger.Out, true, "root"},
		"what does not":     {"ann", "stop", ledger.Out, false, "ANN"},
		"nothing to change": {"", "pass", ledger.Out, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := compileWith(t, transforming("series", tt.onError), plugins{"upper": upper()})
			v := p.Decide(userSeries(tt.user), Filter{}, Filter{})
			if v.Disposition != tt.want || v.Labels.Get("who") != tt.label || (v.Failure != nil) != tt.failed {
				t.Fatalf("%+v", v)
			}
			if v.Disposition != ledger.Out && p.Rules()[v.Rule].ID != "platform/upper" {
				t.Errorf("by rule %d", v.Rule)
			}
			if f := v.Failure; f != nil && (f.Code != "trap" || f.Plugin.Digest != "sha256:1" || p.Rules()[f.Rule].ID != "platform/upper") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// A transform of samples leaves the series to be decided when they come out.
func TestAfter(t *testing.T) {
	set := transforming("sample", "pass")
	set.Teams[0].Budget = map[string]policy.Budget{"all": {
		Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}}, Per: "metric", Series: 10, Overflow: "drop",
	}}
	set.Teams[0].Transform["zz"] = policy.Transform{
		Ordered: policy.Ordered{Enabled: true, Order: 300, Match: policy.Match{Metrics: []string{"*"}}}, Plugin: "upper", Scope: "sample", OnError: "drop",
	}
	set.Teams[0].Control = map[string]policy.Control{"away": {
		Ordered: policy.Ordered{Enabled: true, Match: policy.Match{Metrics: []string{"*"}}}, Tier: "tenant", Action: "route", To: []string{"archive"},
	}}
	set.Teams[0].Sink = map[string]policy.Sink{"archive": {Type: "scrape", Path: "/archive", Stale: "5m"}}
	p := compileWith(t, set, plugins{"upper": upper()})
	in := userSeries("ann")
	v := p.Decide(in, Filter{}, Filter{})
	if v.Transform == nil || v.Labels.Get("user") != "ann" || len(v.Charges) > 0 || v.Transform.OnError != PassFailed {
		t.Fatalf("%+v", v)
	}
	next := p.After(v.Transform, in, "n", metric.Labels{}.Set("user", "bob"), Filter{}, Filter{})
	if next.Transform == nil || next.Transform == v.Transform || next.Labels.Get("who") != "bob" || next.Name != "n" || len(next.Charges) > 0 {
		t.Fatalf("%+v", next)
	}
	last := p.After(next.Transform, in, next.Name, next.Labels, Filter{}, Filter{})
	if last.Transform != nil || len(last.Charges) != 1 || last.Charges[0].Key != "t n" || last.Scale != 1 || !cmp.Equal(last.To, []string{"archive"}) {
		t.Errorf("%+v", last)
	}
}

func TestPluginsThatAreMissing(t *testing.T) {
	for name, with := range map[string]Plugins{"no plugins": nil, "not this one": plugins{}} {
		p, found := Compile(transforming("series", "drop"), Options{Plugins: with})
		if p != nil || len(found) != 1 || found[0].Code != diag.PluginFailed || found[0].Path != "platform.transform.upper.plugin" {
			t.Errorf("%s: %v", name, found)
		}
	}
	off := transforming("series", "drop")
	tr := off.Teams[0].Transform["upper"]
	tr.Enabled = false
	off.Teams[0].Transform["upper"] = tr
	if p, found := Compile(off, Options{}); p == nil || len(p.Transforms()) != 0 {
		t.Errorf("one that is not in force needs no plugin: %v", found)
	}
}

// Tests of a set run its plugins: those of series, and those of samples with the
// rules behind them.
func TestTestsRunPlugins(t *testing.T) {
	two := 2.0
	for name, tt := range map[string]struct {
		scope, onError, user string
		expect               policy.TestExpect
	}{
		"series":      {"series", "pass", "ann", policy.TestExpect{Kept: []policy.TestSeries{{Metric: "m", Task: "t", Labels: map[string]string{"who": "ANN"}}}}},
		"samples":     {"sample", "pass", "ann", policy.TestExpect{Kept: []policy.TestSeries{{Metric: "m", Task: "t", Labels: map[string]string{"who": "ANN"}, Value: &two}}}},
		"passed":      {"sample", "pass", "root", policy.TestExpect{Kept: []policy.TestSeries{{Metric: "m", Task: "t", Labels: map[string]string{"who": "root"}}}}},
		"dropped":     {"sample", "pass", "nobody", policy.TestExpect{Kept: []policy.TestSeries{}, Dropped: []policy.TestDropped{{Metric: "m", By: "upper"}}, Samples: []string{"dropped"}}},
		"quarantined": {"sample", "quarantine", "root", policy.TestExpect{Dropped: []policy.TestDropped{{Metric: "m", By: "upper"}}, Samples: []string{"quarantined"}}},
		"of series":   {"series", "quarantine", "root", policy.TestExpect{Dropped: []policy.TestDropped{{Metric: "m", By: "upper"}}, Samples: []string{"quarantined"}}},
	} {
		t.Run(name, func(t *testing.T) {
			set := transforming(tt.scope, tt.onError)
			set.Teams[0].Test = map[string]policy.Test{"it": {
				Given: []policy.TestInput{{Task: "t", Metric: "m", Kind: "gauge", Labels: map[string]string{"u": tt.user}, Value: 1}}, Expect: tt.expect,
			}}
			p := compileWith(t, set, plugins{"upper": upper()})
			r := RunTests(p, set, func(string, string) metric.Origin { return metric.Custom })[0]
			if len(r.Failures) > 0 {
				t.Error(r.Failures)
			}
			c := p.Cover([]TestResult{r})
			if tt.user == "ann" && c.Percent() != 100 {
				t.Errorf("coverage %v", c)
			}
			again := policy.Test{Given: set.Teams[0].Test["it"].Given, Expect: r.Seen}
			if r := p.TryTest(&again, "platform", func(string, string) metric.Origin { return metric.Custom }); len(r.Failures) > 0 {
				t.Errorf("what was seen does not hold: %v", r.Failures)
			}
		})
	}
}
