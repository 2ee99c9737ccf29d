package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Absence says why a series may be missing.
type Absence struct {
	Series  string       `json:"series"`  // that is missing
	Verdict string       `json:"verdict"` // in a sentence
	Origins []OriginView `json:"origins,omitempty"`
	Nearest []string     `json:"nearest,omitempty"` // names that are known, where this one is not
	Unknown []string     `json:"unknown"`           // what this search cannot know
}

// OriginView is a series that was reported, or may be, and bears on one that is missing.
type OriginView struct {
	Reported string    `json:"reported"` // the series, in PromQL notation
	Recorded bool      `json:"recorded"` // it is in the traffic
	Becomes  string    `json:"becomes"`  // what the rewrites make of it
	Outcome  string    `json:"outcome"`  // out, how control ends it, or rewritten: it leaves as another series
	Text     string    `json:"text"`     // the outcome in a sentence
	Rule     *RuleView `json:"rule,omitempty"`
	Perhaps  []string  `json:"perhaps,omitempty"` // rules that end it too, for some tasks or labels

	rank  int
	known bool           // to the catalogue
	in    *program.Input // of one that goes out
}

// The ranks of what bears on an absence: what explains it comes first.
const (
	rankEnded = iota
	rankRewritten
	rankOut
)

// A target is a series of the engine's that a wanted series of a store comes of.
type target struct {
	name   string
	labels metric.Labels
	kinds  []metric.Kind // that give the wanted series, nil: all
}

// parts are the series that a store gets of one of a kind beside the one of its name.
var parts = []struct {
	suffix string
	kinds  []metric.Kind
}{
	{"_count", []metric.Kind{metric.Meter, metric.Histogram}},
	{"_min", []metric.Kind{metric.Histogram}}, {"_max", []metric.Kind{metric.Histogram}},
	{"_mean", []metric.Kind{metric.Histogram}}, {"_stddev", []metric.Kind{metric.Histogram}},
	{"_info", []metric.Kind{metric.Gauge}},
}

// targets lists what a wanted series may be a part of.
func targets(name string, labels metric.Labels) []target {
	out := []target{{name: name, labels: labels}}
	if labels.Get("quantile") != "" {
		out = append(out, target{name, slices.Clone(labels).Set("quantile", ""), []metric.Kind{metric.Histogram}})
	}
	for _, p := range parts {
		if base, ok := strings.CutSuffix(name, p.suffix); ok && base != "" {
			l := labels
			if p.suffix == "_info" {
				l = slices.Clone(labels).Set("value", "")
			}
			out = append(out, target{base, l, p.kinds})
		}
	}
	return out
}

func (t *target) wants(name string, labels metric.Labels) bool {
	if name != t.name {
		return false
	}
	for _, l := range t.labels {
		if labels.Get(l.Name) != l.Value {
			return false
		}
	}
	return true
}

// whyNot looks for series that become the one that is missing, or would.
func (x *Explainer) whyNot(text string, seen *traffic.Recording) (*Absence, error) {
	name, labels, err := program.ParseSeries(text)
	if err != nil {
		return nil, seriesError("why-not", err)
	}
	a := &Absence{Series: metric.SeriesText(name, labels), Unknown: x.unknown(seen)}
	all := targets(name, labels)
	if seen != nil {
		a.Origins = x.inTraffic(all, seen)
	}
	if len(a.Origins) == 0 {
		a.Origins = x.bySearch(all)
	}
	slices.SortStableFunc(a.Origins, func(p, q OriginView) int {
		return cmp.Or(cmp.Compare(p.rank, q.rank), -compareBool(p.known, q.known))
	})
	a.Origins = a.Origins[:min(len(a.Origins), maxOrigins)]
	for i := range a.Origins {
		if in := a.Origins[i].in; in != nil {
			a.Origins[i].Perhaps = x.perhaps(in)
		}
	}
	x.conclude(a, name, labels)
	return a, nil
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// maxOrigins is how many series an answer names.
const maxOrigins = 5

func (x *Explainer) unknown(seen *traffic.Recording) []string {
	list := []string{"labels that you did not give: a rule that asks for them may decide otherwise"}
	if seen == nil {
		list = append(list, "what is reported: the search goes over the names of the catalogue and the rewrites; recorded traffic would show it")
	} else {
		list = append(list, "what was not reported while the traffic was recorded")
		if len(seen.Hashed) > 0 {
			list = append(list, "values of labels that are hashed in the traffic: "+strings.Join(seen.Hashed, ", "))
		}
	}
	return append(list, "what a sink or a receiver does with what it is sent: see the status of the sinks")
}

// inTraffic finds recorded series that become a target, or that are reported like
// one and leave as another.
func (x *Explainer) inTraffic(all []target, seen *traffic.Recording) (out []OriginView) {
	found := map[int]int{}
	renamed := slices.ContainsFunc(all, func(t target) bool { return x.renamesTo(t.name) })
	for _, s := range seen.Series {
		if !renamed && !slices.ContainsFunc(all, func(t target) bool { return t.name == s.Name }) {
			continue // nothing makes one of the targets of it
		}
		name, labels, events := x.program.Rewrite(s.Input)
		for i := range all {
			t := &all[i]
			if len(t.kinds) > 0 && !slices.Contains(t.kinds, s.Input.Kind) {
				continue
			}
			var o OriginView
			switch {
			case t.wants(name, labels):
				o = x.fate(s.Input)
			case t.wants(s.Name, s.Labels):
				o = x.lost(s.Input, t, events)
			default:
				continue
			}
			o.Recorded = true
			if found[o.rank]++; found[o.rank] <= maxOrigins {
				out = append(out, o)
			}
			break
		}
	}
	return out
}

// renamesTo reports whether a rewrite in force gives series this name.
func (x *Explainer) renamesTo(name string) bool {
	for _, r := range x.rules {
		if r.Section != program.SectionRewrite || r.Action != "rename-metric" || r.Inert != "" {
			continue
		}
		team, short, _ := strings.Cut(string(r.ID), "/")
		for i := range x.set.Teams {
			if x.set.Teams[i].Name == team && x.set.Teams[i].Rewrite[short].To == name {
				return true
			}
		}
	}
	return false
}

// bySearch takes the rewrites back and applies them again to what that gives.
func (x *Explainer) bySearch(all []target) (out []OriginView) {
	names := x.knownNames()
	for i := range all {
		t := &all[i]
		for _, pre := range x.program.Preimages(x.set, t.name, t.labels, program.Lookup{Names: names, Value: x.here.ShortID}) {
			in, known := x.supposed(&pre)
			if i > 0 && (!known || !slices.Contains(t.kinds, in.Kind)) {
				continue
			}
			name, labels, events := x.program.Rewrite(in)
			var o OriginView
			switch {
			case t.wants(name, labels):
				o = x.fate(in)
			case len(pre.Undone) == 0:
				o = x.lost(in, t, events)
			default:
				continue
			}
			o.known = known
			out = append(out, o)
		}
	}
	return out
}

// supposed makes an input of a preimage: what it is, the catalogue says, or else a
// gauge of the job.
func (x *Explainer) supposed(pre *program.Preimage) (in program.Input, known bool) {
	in = program.Input{Task: pre.Labels.Get(metric.TaskLabel), Name: pre.Name, Labels: pre.Labels, Kind: metric.Gauge, Origin: metric.Custom}
	e, known := x.known.Lookup(pre.Name)
	if known {
		in.Kind, in.Origin = e.Kind, e.Origin
	}
	return in, known
}

func (x *Explainer) knownNames() (names []string) {
	for _, e := range x.known.Entries() {
		if name := metric.SeriesName(e.Scope, e.Name); !strings.Contains(e.Name, "<") {
			names = append(names, name)
		}
	}
	return names
}

// fate says what control makes of a series that the rewrites turn into the one
// that is wanted.
func (x *Explainer) fate(in program.Input) OriginView {
	v := x.program.Decide(in, program.Filter{}, program.Filter{})
	name, labels, _ := x.program.Rewrite(in)
	o := OriginView{Reported: metric.SeriesText(in.Name, in.Labels), Becomes: metric.SeriesText(name, labels), Outcome: v.Disposition.String()}
	o.Text = x.decision(&v, nil).Text
	if v.Rule != program.NoRule {
		view := x.View(v.Rule, false)
		o.Rule = &view
	}
	if v.Disposition != ledger.Out {
		o.rank = rankEnded
		return o
	}
	o.rank, o.in = rankOut, &in
	return o
}

// perhaps lists control rules that end or thin series of the name, but not those
// with the labels given.
func (x *Explainer) perhaps(in *program.Input) (ids []string) {
	for i := range x.rules {
		r := &x.rules[i]
		if r.Section == program.SectionControl && r.Inert == "" && r.Action != "keep" && r.Action != "route" &&
			x.program.Why(int32(i), *in) != "" && x.program.Reach(int32(i), in.Name, in.Kind, in.Origin) == program.MatchesSome {
			ids = append(ids, fmt.Sprintf("%s (%s)", r.ID, x.at(r.Pos)))
		}
	}
	return ids
}

// lost says which rewrite keeps a series, reported like the one that is wanted,
// from leaving like it.
func (x *Explainer) lost(in program.Input, t *target, events []program.Event) OriginView {
	o := OriginView{Reported: metric.SeriesText(in.Name, in.Labels), Outcome: "rewritten", rank: rankRewritten}
	for i := range events {
		e := &events[i]
		o.Becomes = metric.SeriesText(e.After.Name, e.After.Labels)
		if o.Rule != nil || t.wants(e.After.Name, e.After.Labels) {
			continue
		}
		view := x.View(e.Rule, false)
		o.Rule = &view
		o.Text = "rewritten: it leaves under another name"
		if e.After.Name == t.name {
			s := RewriteStage{}
			s.changes(e.Before, e.After)
			o.Text = "rewritten: it leaves without " + strings.Join(s.Removed, ", ")
		}
	}
	return o
}

// conclude puts what was found into a sentence.
func (x *Explainer) conclude(a *Absence, name string, labels metric.Labels) {
	if x.mentions(name) == 0 && !slices.ContainsFunc(a.Origins, func(o OriginView) bool { return o.Recorded }) {
		a.Nearest = x.nearestNames(name)
	}
	for _, l := range labels {
		for _, i := range x.program.Makes(x.set, l.Name) {
			a.Unknown = append(a.Unknown, fmt.Sprintf("what the label %s was made from: the rewrite %s (%s) sets it", l.Name, x.rules[i].ID, x.at(x.rules[i].Pos)))
		}
	}
	if len(a.Origins) == 0 {
		a.Verdict = "nothing that is known becomes it"
		return
	}
	switch first := &a.Origins[0]; {
	case first.rank == rankEnded:
		a.Verdict = fmt.Sprintf("%s by %s", first.Outcome, first.Rule.ID)
	case first.rank == rankRewritten:
		a.Verdict = fmt.Sprintf("no series leaves like this: %s rewrites it", first.Rule.ID)
	case first.Recorded:
		a.Verdict = "it is in the traffic and goes out: look for it in the sinks"
	case len(first.Perhaps) > 0:
		a.Verdict = "it was not reported, or a rule that asks for more than you gave stops it"
	case first.Rule == nil && first.Becomes == first.Reported:
		a.Verdict = "no rule touches it: it was not reported"
	default:
		a.Verdict = "the rules let it through: it was not reported"
	}
}

// mentions counts in what ways a name, or what it is a part of, is known.
func (x *Explainer) mentions(name string) (n int) {
	for _, t := range targets(name, nil) {
		if e, ok := x.known.Lookup(t.name); ok && (t.kinds == nil || slices.Contains(t.kinds, e.Kind)) {
			n++
		}
	}
	return n
}
