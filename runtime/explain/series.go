package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// input reads the series of a question.
func (x *Explainer) input(q *Question) (program.Input, []string, error) {
	name, labels, err := program.ParseSeries(q.Series)
	if err != nil {
		return program.Input{}, nil, seriesError("series", err)
	}
	in := program.Input{Task: labels.Get(metric.TaskLabel), Name: name, Labels: labels}
	var notes []string
	e, known := x.known.Lookup(name)
	kind, origin := metric.Gauge, metric.Custom
	if known {
		kind, origin = e.Kind, e.Origin
	} else if q.Kind == "" || q.Origin == "" {
		notes = append(notes, "the catalogue does not know the name: taken for a gauge of origin custom, unless kind and origin say otherwise")
	}
	if in.Kind, err = wordOf(q.Kind, kind, metric.ParseKind, "kind", "counter, gauge, meter, histogram"); err != nil {
		return program.Input{}, nil, err
	}
	if in.Origin, err = wordOf(q.Origin, origin, metric.ParseOrigin, "origin", "native, sql, custom, system, event"); err != nil {
		return program.Input{}, nil, err
	}
	if in.Task == "" {
		notes = append(notes, "the series has no torrent_task_id: rules that select tasks, or tags of tasks, are asked about a task without a name")
	}
	return in, notes, nil
}

func wordOf[T any](text string, otherwise T, parse func(string) (T, bool), field, words string) (T, error) {
	if text == "" {
		return otherwise, nil
	}
	v, ok := parse(text)
	if !ok {
		return v, &QuestionError{Field: field, Offset: -1, Message: fmt.Sprintf("%q is none", text), Hint: "write one of " + words}
	}
	return v, nil
}

func seriesError(field string, err error) error {
	if bad := (*program.SeriesError)(nil); errors.As(err, &bad) {
		return &QuestionError{Field: field, Offset: bad.Offset, Message: bad.Message, Hint: bad.Hint}
	}
	return err
}

// Series explains one series.
func (x *Explainer) Series(in program.Input) Explanation { return x.explain(in, nil) }

// explain walks a series through the program. sample is what a record says of it,
// or nil.
func (x *Explainer) explain(in program.Input, sample *reported) Explanation {
	v, events := x.program.Explain(in)
	e := Explanation{
		Series: metric.SeriesText(in.Name, in.Labels), Kind: in.Kind.String(), Origin: in.Origin.String(),
		Streams: x.streams(), Task: x.task(&in),
	}
	if c, ok := x.known.Lookup(in.Name); ok {
		e.Meaning = fmt.Sprintf("Flink's %s of scope %s, %s", c.Name, c.Scope, c.Unit)
	}
	for i := range events {
		x.stage(&e, &events[i], &in)
	}
	e.Decision = x.decision(&v, sample)
	x.plugins(&e, &v)
	if v.Disposition != ledger.Out {
		if x.rules[v.Rule].Section != program.SectionTransform {
			e.Rewrites = nil
		}
		return e
	}
	if v.Transform != nil {
		e.Notes = append(e.Notes, fmt.Sprintf("transform %s changes samples as they come: what it makes of them, tests show, and the rules behind it", v.Transform.ID))
	}
	if v.Merge != nil {
		e.Result = results(v.Merge.Name, v.Merge.Labels, in.Kind, nil)
	}
	if v.Merge == nil || v.Merge.Keep {
		e.Result = append(results(v.Name, v.Labels, in.Kind, sample), e.Result...)
	}
	if v.Scale != 1 {
		e.Scale = v.Scale
	}
	e.Sinks = x.sinks(&v)
	x.budgets(e.Budgets, in.Task, &v)
	return e
}

// stage puts one event of the interpreter where it belongs.
func (x *Explainer) stage(e *Explanation, ev *program.Event, in *program.Input) {
	view := x.View(ev.Rule, ev.Mismatch == "")
	why := ""
	if ev.Mismatch != "" {
		why = x.program.Why(ev.Rule, *in)
	}
	s := RewriteStage{RuleView: view, Mismatch: why}
	if ev.After != nil {
		s.changes(ev.Before, ev.After)
	}
	switch view.Section {
	case program.SectionControl:
		e.Control = append(e.Control, ControlStage{view, why})
	case program.SectionDegrade:
		e.Degrade = append(e.Degrade, ControlStage{view, why})
	case program.SectionRewrite, program.SectionTransform:
		e.Rewrites = append(e.Rewrites, s)
	case program.SectionAggregate:
		e.Aggregates = append(e.Aggregates, s)
	case program.SectionBudget:
		e.Budgets = append(e.Budgets, BudgetStage{RuleView: view, Mismatch: why})
	}
}

// plugins says which plugins the transforms have, and which one failed.
func (x *Explainer) plugins(e *Explanation, v *program.Verdict) {
	about := map[string]*program.Transform{}
	for _, t := range x.program.Transforms() {
		about[string(t.ID)] = t
	}
	for i := range e.Rewrites {
		s := &e.Rewrites[i]
		t, runs := about[s.ID]
		if s.Section != program.SectionTransform || !runs {
			continue
		}
		p := t.Plugin.Plugin()
		s.Plugin, s.Shadow = &PluginView{p.Name, p.Version, p.Digest}, t.Shadow
		if s.Shadow > 0 && x.here.Tried != nil {
			s.Tried = x.here.Tried(p.Digest)
		}
		if f := v.Failure; f != nil && s.ID == string(x.rules[f.Rule].ID) {
			s.Failed = f.TransformError.Error()
		}
	}
}

// transformText says how a transform ended a series.
func transformText(v *program.Verdict) string {
	switch f := v.Failure; {
	case f == nil:
		return "dropped by its plugin"
	case f.OnError == program.StopOnFailed:
		return fmt.Sprintf("the partition stops: plugin %s %s fails: %v", f.Plugin.Name, f.Plugin.Version, &f.TransformError)
	case v.Disposition == ledger.Quarantined:
		return fmt.Sprintf("put aside with the dead letters: plugin %s %s fails: %v", f.Plugin.Name, f.Plugin.Version, &f.TransformError)
	default:
		return fmt.Sprintf("dropped: plugin %s %s fails: %v", f.Plugin.Name, f.Plugin.Version, &f.TransformError)
	}
}

// changes lists what a rewrite did.
func (s *RewriteStage) changes(before, after *program.Snapshot) {
	s.Before, s.After = metric.SeriesText(before.Name, before.Labels), metric.SeriesText(after.Name, after.Labels)
	if before.Name != after.Name {
		s.Removed, s.Added = append(s.Removed, before.Name), append(s.Added, after.Name)
	}
	for _, l := range before.Labels {
		if after.Labels.Get(l.Name) != l.Value {
			s.Removed = append(s.Removed, labelPair(l))
		}
	}
	for _, l := range after.Labels {
		if before.Labels.Get(l.Name) != l.Value {
			s.Added = append(s.Added, labelPair(l))
		}
	}
	if before.Scale != after.Scale {
		s.Scale = after.Scale
	}
}

func labelPair(l metric.Label) string {
	text := metric.Labels{l}.String()
	return text[1 : len(text)-1]
}

func (x *Explainer) task(in *program.Input) TaskStage {
	t := x.program.Task(in.Task, in.Labels.Get("job_name"))
	s := TaskStage{ID: in.Task, Job: in.Labels.Get("job_name")}
	for _, tag := range t.Tags {
		v := x.View(tag.Rule, false)
		s.Tags = append(s.Tags, TagView{tag.Name, tag.Value, v.ID, v.Pos})
	}
	if t.Disabled != program.NoRule {
		v := x.View(t.Disabled, true)
		s.Disabled = &v
	}
	return s
}

// streams says for each stream of the set what it does about duplicates.
func (x *Explainer) streams() (out []StreamStage) {
	policy.Each(x.set, func(t *policy.Team) map[string]policy.Stream { return t.Stream }, func(team, name string, s policy.Stream) {
		text := "samples that come twice are dropped within the duplicate window"
		if s.Level == "none" || s.Level == "no-loss" {
			text = "no duplicate window at this level"
		}
		out = append(out, StreamStage{Stream: name, Topics: s.Topics, Level: s.Level, Duplicates: text, Pos: x.Place(team, "stream", name)})
	})
	return out
}

// sinks says which sinks get a series, and why.
func (x *Explainer) sinks(v *program.Verdict) (out []SinkStage) {
	policy.Each(x.set, func(t *policy.Team) map[string]policy.Sink { return t.Sink }, func(team, name string, s policy.Sink) {
		if !s.Takes(name)(v.To) {
			return
		}
		why := "default sink"
		if len(v.To) > 0 {
			why = "named by the route"
		} else if v.Topic != "" {
			why = "default sink, by way of the topic " + v.Topic
		}
		out = append(out, SinkStage{Sink: name, Type: s.Type, Why: why, Pos: x.Place(team, "sink", name)})
	})
	return out
}

// Place is where a part of the set is written; zero: nowhere, or nobody knows.
func (x *Explainer) Place(parts ...string) diag.Pos {
	pos, _ := x.from.At(strings.Join(parts, "."))
	return x.at(pos)
}

// results lists the series that a store gets of a series of a kind.
func results(name string, labels metric.Labels, kind metric.Kind, sample *reported) []string {
	key := func(suffix string) string { return metric.SeriesText(name+suffix, labels) }
	switch {
	case sample != nil && sample.text != nil:
		return []string{name + "_info" + slices.Clone(labels).Set("value", *sample.text).String()}
	case kind == metric.Meter:
		return []string{key(""), key("_count")}
	case kind == metric.Histogram:
		quantile := name + slices.Clone(labels).Set("quantile", "…").String()
		return []string{key("_count"), key("_min"), key("_max"), key("_mean"), key("_stddev"), quantile}
	}
	return []string{key("")}
}

// decision puts the verdict of control into words.
func (x *Explainer) decision(v *program.Verdict, sample *reported) Decision {
	d := Decision{Disposition: v.Disposition.String(), Text: "kept: no rule of control matches"}
	if v.Rule == program.NoRule {
		return d
	}
	r := x.rules[v.Rule]
	d.Rule = string(r.ID)
	if r.Section == program.SectionTask {
		d.Text = "disabled: the task is switched off"
		return d
	}
	if r.Section == program.SectionTransform {
		d.Text = transformText(v)
		return d
	}
	c := x.control(r.ID)
	switch c.Action {
	case "drop":
		d.Text = "dropped: " + c.Reason
	case "keep":
		d.Text = "kept"
	case "route":
		d.Text = "sent to " + strings.Join(c.To, ", ") + " instead of where it would go"
	case "sample":
		d.Text = sampleText(c, v)
	case "thin":
		d.Text = fmt.Sprintf("thinned to the %s sample of every %s", pickText[v.Step.Pick], c.Every)
	case "limit":
		d.Text = fmt.Sprintf("limited to %v samples a second for each %s, after a burst of as many", c.Rate, c.Per)
		if c.Per == "rule" {
			d.Text = fmt.Sprintf("limited to %v samples a second for all that the rule matches, after a burst of as many", c.Rate)
		}
	}
	if v.Disposition == ledger.Out && v.Step.Kind != program.NoStep {
		d.Step = c.Action
		d.Sample = stepText(&v.Step, sample)
	}
	return d
}

func sampleText(c *policy.Control, v *program.Verdict) string {
	switch {
	case c.By == "record":
		return fmt.Sprintf("sampled: each sample is let through with a probability of %v, by a hash of series and time", c.Rate)
	case v.Disposition == ledger.Sampled:
		return fmt.Sprintf("sampled out: its hash is outside the share of %v of all series that is let through", c.Rate)
	}
	return fmt.Sprintf("kept: its hash is within the share of %v of all series that is let through", c.Rate)
}

// pickText says which sample of an interval goes on.
var pickText = [...]string{program.Last: "last", program.First: "first", program.Max: "greatest", program.Min: "least"}

// stepText says what becomes of the sample of a record.
func stepText(s *program.Step, sample *reported) string {
	if sample == nil {
		return ""
	}
	switch s.Kind {
	case program.SampleStep:
		if s.Passes(sample.at) {
			return "this sample passes"
		}
		return "this sample does not pass"
	case program.ThinStep:
		every := max(s.Every.Milliseconds(), 1)
		from := sample.at - ((sample.at%every)+every)%every
		clock := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05.999Z") }
		return fmt.Sprintf("this sample is of the interval from %s to %s: it goes on if it is the %s in it", clock(from), clock(from+every), pickText[s.Pick])
	}
	return "this sample goes on while the rate has room; how much is used is known to a worker only"
}

// control returns a control rule as it is written.
func (x *Explainer) control(id program.RuleID) *policy.Control {
	team, name, _ := strings.Cut(string(id), "/")
	for i := range x.set.Teams {
		if t := &x.set.Teams[i]; t.Name == team {
			c := t.Control[name]
			return &c
		}
	}
	return &policy.Control{}
}
