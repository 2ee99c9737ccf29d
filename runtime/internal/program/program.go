// Package program is a policy set in compiled form, and the one interpreter that
// decides by it, explains by it and tests by it. It knows rules and series. It
// does not know where samples come from or go to, keeps no state between two
// decisions, and sees single samples only through the steps that its callers
// keep (Step, Window, Bucket).
package program

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Program is a compiled policy set. It is immutable and safe for concurrent use.
// Holding one means that the set is valid.
type Program struct {
	rules      []rule // control rules, degrade rules, rewrites, aggregates, budgets and entries of tasks, each in the order of evaluation
	controls   int    // where the control rules end
	degrades   int    // where the degrade rules end
	rewrites   int    // where the rewrites end, and the transforms among them
	aggregates int    // where the aggregates end
	n          int    // where the budgets end
	tasks      tasks
	from       policy.Provenance

	live    bitset // rules in force
	metrics *index
	kinds   [metric.Histogram + 1]bitset
	origins [metric.Event + 1]bitset
	byTask  *index
	teams   *index
	labels  []fieldIndex
	tags    []fieldIndex
}

// rule is a compiled rule. One of control, degrade, rewrite, transform, aggregate and
// budget is set, by section.
type rule struct {
	Rule
	team      string // the only team whose tasks it sees, "" for all tasks
	match     selector
	unless    *selector
	control   *control
	degrade   *degrade
	rewrite   rewrite
	transform *Transform
	aggregate *aggregate
	budget    *budget
	touches   []string // labels that the rewrite reads or writes, other than by dropping them
	drops     patterns // labels that the rewrite drops
}

// mismatch says why a rule does not match, "" when it does.
func (r *rule) mismatch(x *subject) string {
	switch {
	case r.Inert != "":
		return r.Inert
	case r.team != "" && x.task.tags.Get(teamTag) != r.team:
		return "task of another team"
	}
	if why := r.match.mismatch(x); why != "" {
		return why
	}
	if r.unless != nil && r.unless.mismatch(x) == "" {
		return "unless"
	}
	return ""
}

// Len is how many rules there are.
func (p *Program) Len() int { return len(p.rules) }

// Rules lists the rules; Verdict.Rule and Event.Rule are indexes into the list.
func (p *Program) Rules() []Rule {
	out := make([]Rule, len(p.rules))
	for i := range p.rules {
		out[i] = p.rules[i].Rule
	}
	return out
}

// Filter is the set of rules that a part of a series' identity leaves possible.
// It belongs to the program that made it. The zero Filter excludes nothing. It
// takes a bit per rule.
type Filter struct {
	rules  bitset
	task   *taskInfo
	id     string   // torrent_task_id, with task
	job    string   // job_name, with task
	labels []string // values that rules were excluded for, in the order of Program.labels
}

// ByName returns the rules that a series of this name, kind and origin may match.
func (p *Program) ByName(name string, kind metric.Kind, origin metric.Origin) Filter {
	b, scratch := p.everyRule()
	p.metrics.narrow(b, scratch, name)
	if int(kind) < len(p.kinds) {
		b.keep(p.kinds[kind])
	}
	if int(origin) < len(p.origins) {
		b.keep(p.origins[origin])
	}
	return Filter{rules: b}
}

// Team returns the team of the task, "" when it has none. It is for filters of
// BySource.
func (f *Filter) Team() string {
	if f.task == nil {
		return ""
	}
	return f.task.tags.Get(teamTag)
}

// BySource returns the rules that the series of a task may match, as far as
// labels common to many of them tell. Series may have more labels, and other
// values: Decide notices and goes without the filter then.
func (p *Program) BySource(task string, common metric.Labels) Filter {
	job := common.Get(jobLabel)
	f := Filter{id: task, job: job, task: p.tasks.info(task, job)}
	b, scratch := p.everyRule()
	if job == "" || job == task {
		p.byTask.narrow(b, scratch, task)
	} else {
		p.byTask.narrow(b, scratch, task, job)
	}
	p.teams.narrow(b, scratch, f.task.tags.Get(teamTag))
	for _, x := range p.tags {
		x.narrow(b, scratch, f.task.tags.Get(x.name))
	}
	if len(p.labels) > 0 {
		f.labels = make([]string, len(p.labels))
	}
	for i, x := range p.labels {
		f.labels[i] = common.Get(x.name)
		x.narrow(b, scratch, f.labels[i])
	}
	f.rules = b
	return f
}

func (p *Program) everyRule() (all, scratch bitset) {
	two := make(bitset, 2*len(p.live))
	copy(two, p.live)
	return two[:len(p.live):len(p.live)], two[len(p.live):]
}

// about reports whether a filter of BySource holds for a series.
func (p *Program) about(f *Filter, in *Input) bool {
	if f.task == nil || f.id != in.Task || f.job != in.Labels.Get(jobLabel) {
		return false
	}
	for i, x := range p.labels {
		if f.labels[i] != in.Labels.Get(x.name) {
			return false
		}
	}
	return true
}

// Decide says what becomes of a series. byName must be of its name, kind and
// origin, or zero; bySource of its task, or zero. It is for questions: live traffic is
// decided about by a Memo.
func (p *Program) Decide(in Input, byName, bySource Filter) Verdict {
	x, c := p.subject(in, byName, bySource)
	return p.run(&x, c, nil)
}

// subject returns an input with what is known of its task, and the rules that the
// filters leave possible for it.
func (p *Program) subject(in Input, byName, bySource Filter) (subject, candidates) {
	if !p.about(&bySource, &in) {
		bySource = p.BySource(in.Task, in.Labels)
	}
	return subject{Input: in, job: bySource.job, task: bySource.task}, candidates{byName.rules, bySource.rules}
}

// run is the interpreter: it evaluates the candidates and, if rec is not nil,
// notes each step.
func (p *Program) run(x *subject, c candidates, rec *recorder) Verdict {
	if by := x.task.disabled; by != NoRule {
		rec.considered(by, "")
		return Verdict{Disposition: ledger.Disabled, Rule: by}
	}
	v := Verdict{Rule: p.decide(x, &c, rec)}
	do := &control{}
	if v.Rule != NoRule {
		do = p.rules[v.Rule].control
		v.To, v.Topic, v.Step = do.sinks, do.topic, do.step
		if do.drop {
			return Verdict{Disposition: ledger.Dropped, Rule: v.Rule}
		}
	}
	if v.Step.Kind == SampleStep {
		v.Step.Seed = hashSeries(x.Task, x.Name, x.Labels)
		if do.wholeSeries && v.Step.Seed >= v.Step.Share {
			return Verdict{Disposition: ledger.Sampled, Rule: v.Rule}
		} else if do.wholeSeries {
			v.Step = Step{}
		}
	}
	p.shed(x, &c, &v, rec)
	if p.rewrite(x, &c, &v, rec) {
		p.finish(x, &c, &v, rec)
	}
	return v
}

// finish decides what comes behind the rewrites. Where a transform waits for the
// samples, that is decided when they come out.
func (p *Program) finish(x *subject, c *candidates, v *Verdict, rec *recorder) {
	if v.Transform != nil {
		return
	}
	p.merge(x, c, v, rec)
	if v.Merge == nil || v.Merge.Keep {
		p.charge(x, c, v, rec)
	}
}

// decide returns the first control rule that matches, or NoRule.
func (p *Program) decide(x *subject, c *candidates, rec *recorder) int32 {
	for i := c.next(0, p.controls); i < p.controls; i = c.next(i+1, p.controls) {
		why := p.rules[i].mismatch(x)
		rec.considered(int32(i), why)
		if why == "" {
			return int32(i)
		}
	}
	return NoRule
}

// rewrite sets what the series becomes: every rewrite that matches the series as
// it was reported, each applied to the outcome of the one before. False says that a
// transform ended it.
func (p *Program) rewrite(x *subject, c *candidates, v *Verdict, rec *recorder) bool {
	d, known := x.memo.recall(p, x, c)
	if known {
		v.Name, v.Labels, v.Scale, v.Short = d.name, d.labels, d.scale, d.short
		return true
	}
	d = draft{name: x.Name, labels: slices.Clone(x.Labels).Compact(), scale: 1}
	x.memo.forget(p, x)
	goesOn := p.rewriteFrom(p.degrades, x, c, &d, v, rec)
	x.memo.keep(&d)
	return goesOn
}

// rewriteFrom applies the rewrites from a rule on, up to a transform that needs the
// samples. False says that a transform ended the series.
func (p *Program) rewriteFrom(first int, x *subject, c *candidates, d *draft, v *Verdict, rec *recorder) bool {
	for i := c.next(first, p.rewrites); i < p.rewrites; i = c.next(i+1, p.rewrites) {
		r := &p.rules[i]
		if why := r.mismatch(x); why != "" {
			rec.considered(int32(i), why)
			continue
		}
		rec.before(d)
		switch t := r.transform; {
		case t == nil:
			r.rewrite(d)
		case t.samples:
			v.Transform = t
		case !d.transform(t, v, x):
			rec.failed(int32(i))
			return false
		}
		rec.applied(int32(i), d)
		x.memo.note(int32(i), r.transform != nil)
		if v.Transform != nil {
			break
		}
	}
	v.Name, v.Labels, v.Scale, v.Short = d.name, d.labels, d.scale, d.short
	return true
}
