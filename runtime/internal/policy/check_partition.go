package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// taskLabel is the label of the field that records are keyed by.
const taskLabel = "torrent_task_id"

// What shares a partition, by the key of a stream.
const (
	keyMetric  = "task-metric"
	keyTask    = "task"
	keyProcess = "process"
)

// narrowness orders the keys by how few series share a partition.
var narrowness = map[string]int{keyTask: 0, keyMetric: 1, keyProcess: 2}

// merger is a rule that merges series: an aggregate, or a budget by its overflow.
type merger struct {
	section, name string
	team          teamOutcome
	rule          *Ordered
	into          string
}

func (m *merger) note() diag.Note {
	return diag.Note{Pos: m.team.where.pos(m.section, m.name), Message: "merged here by " + m.section + " " + m.name}
}

// partitions finds rules that would merge series of different partitions. Two
// rules are about the same series unless their selectors plainly exclude each other.
// The plugins are those that transforms name.
func partitions(teams []teamOutcome, plugins map[string]PluginInfo) []diag.Diagnostic {
	p := partitioned{key: keyMetric, plugins: plugins, alone: len(teams) < 2}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Stream) {
			if s := t.Team.Stream[name]; p.stream.where == nil || narrowness[s.Key] > narrowness[p.key] {
				p.key, p.stream = s.Key, claim{"stream " + name, t.where, []string{"stream", name, "key"}}
			}
		}
	}
	for _, t := range teams {
		for _, name := range sorted(t.Team.Aggregate) {
			a := t.Team.Aggregate[name]
			p.aggregate(&merger{"aggregate", name, t, &a.Ordered, a.Into}, &a)
		}
		for _, name := range sorted(t.Team.Budget) {
			b := t.Team.Budget[name]
			if b.Overflow == "merge" && (b.Series > 0 || b.Growth != nil) {
				p.merge(&merger{"budget", name, t, &b.Ordered, ""})
			}
		}
	}
	for _, t := range teams {
		p.rewrites(t)
		p.transforms(t)
	}
	return p.out
}

type partitioned struct {
	key     string // the narrowest of the set's streams
	stream  claim  // that has it; unset for a set without streams
	plugins map[string]PluginInfo
	alone   bool // there is a single team
	mergers []*merger
	out     []diag.Diagnostic
}

func (p *partitioned) add(t teamOutcome, message, hint string, notes []diag.Note, path ...string) {
	d := t.where.found(diag.CrossPartition, message, path...)
	d.Hint, d.Notes = hint, notes
	p.out = append(p.out, d)
}

const (
	keepsTask   = "series of several tasks are on different partitions; aggregate over tasks in the store, by a recording rule"
	keepsMetric = "match one metric by its whole name, or have the producers key records by task and say so: stream: key: \"task\""
)

func (p *partitioned) aggregate(m *merger, a *Aggregate) {
	if i := slices.Index(a.Drop, taskLabel); i >= 0 {
		p.add(m.team, "an aggregate cannot drop "+taskLabel, keepsTask, nil, m.section, m.name, "drop", fmt.Sprint(i))
	}
	if len(a.Keep) > 0 && !slices.Contains(a.Keep, taskLabel) {
		p.add(m.team, "an aggregate has to keep "+taskLabel, keepsTask, nil, m.section, m.name, "keep")
	}
	if p.merge(m) && p.key == keyMetric && a.Into != "" && !oneMetric(&a.Match) {
		p.add(m.team, "several metrics cannot become "+a.Into+": each has a partition of its own",
			keepsMetric, nil, m.section, m.name, "into")
	}
}

// merge takes a rule into account that merges series, and reports whether that
// can work at all.
func (p *partitioned) merge(m *merger) bool {
	if p.key == keyProcess {
		note := diag.Note{Pos: p.stream.where.pos(p.stream.path...), Message: "keyed by process: " + p.stream.what}
		hint := "aggregate in the store, by a recording rule, or key records by task"
		if m.section == "budget" {
			hint = "write overflow: \"drop\", or key records by task"
		}
		p.add(m.team, m.section+" "+m.name+" merges series, and those of a stream keyed by process are on different partitions",
			hint, []diag.Note{note}, m.section, m.name)
		return false
	}
	p.mergers = append(p.mergers, m)
	return true
}

// oneMetric reports whether a selector selects a single name.
func oneMetric(m *Match) bool {
	return len(m.Metrics) == 1 && !strings.ContainsAny(m.Metrics[0], "*?") && !strings.HasPrefix(m.Metrics[0], regexPrefix)
}

// rewrites finds rewrites that give the series of several partitions one identity,
// of what an aggregate or a budget then merges.
func (p *partitioned) rewrites(t teamOutcome) {
	renamed := map[string]string{} // from each new name to the rewrite that gives it
	for _, name := range sorted(t.Team.Rewrite) {
		r := t.Team.Rewrite[name]
		if field := losesTask(&r); field != "" {
			if m := p.about(t, &r.Ordered, "aggregate"); m != nil {
				p.add(t, "this takes "+taskLabel+" from series that are then merged", keepsTask, []diag.Note{m.note()}, "rewrite", name, field)
			}
		}
		m := p.about(t, &r.Ordered, "aggregate", "budget")
		if m == nil || r.Action != "rename-metric" || p.key != keyMetric {
			continue
		}
		other, twice := renamed[r.To]
		renamed[r.To] = name
		if twice || !oneMetric(&r.Match) {
			message := "several metrics become " + r.To + " here, and each has a partition of its own"
			if twice {
				message = "rewrite " + other + " renames another metric to " + r.To + ", and each has a partition of its own"
			}
			p.add(t, message, keepsMetric, []diag.Note{m.note()}, "rewrite", name, "to")
		}
	}
}

// about returns a rule of one of the sections that merges what a rule of a team may
// match, or nil.
func (p *partitioned) about(t teamOutcome, r *Ordered, sections ...string) *merger {
	if !r.Enabled {
		return nil
	}
	for _, m := range p.mergers {
		if m.rule.Enabled && slices.Contains(sections, m.section) && p.meet(t.Team.Name, m.team.Team.Name) && !excludes(&m.rule.Match, &r.Match) {
			return m
		}
	}
	return nil
}

// meet reports whether rules of two teams may be about the same tasks.
func (p *partitioned) meet(a, b string) bool {
	return p.alone || a == b || a == PlatformTeam || b == PlatformTeam
}

// losesTask returns the field by which a rewrite makes tasks indistinguishable, or "".
func losesTask(r *Rewrite) string {
	switch r.Action {
	case "drop-labels":
		if slices.ContainsFunc(r.Labels, func(p string) bool { return patternsMeet(p, taskLabel) }) {
			return "labels"
		}
	case "prefer-label":
		if r.Over == taskLabel {
			return "over"
		}
	case "rename-label":
		switch taskLabel {
		case r.From:
			return "from"
		case r.To:
			return "to"
		}
	case "map-value", "set-label":
		if r.Label == taskLabel {
			return "label"
		}
	case "extract", "table-name", "short-id":
		if r.Into == taskLabel {
			return "into"
		}
	}
	return ""
}

// excludes reports whether no series can match both selectors, as far as can be
// told from names and words alone.
func excludes(a, b *Match) bool {
	return apart(a.Metrics, b.Metrics) || apart(a.Tasks, b.Tasks) || apart(a.Kinds, b.Kinds) || apart(a.Origin, b.Origin)
}

// apart reports whether two lists of patterns are given and no value matches both.
func apart(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	for _, x := range a {
		for _, y := range b {
			if patternsMeet(x, y) {
				return false
			}
		}
	}
	return true
}

// patternsMeet reports whether a value may match both patterns. Of an expression
// that is not a glob nobody knows.
func patternsMeet(a, b string) bool {
	if strings.HasPrefix(a, regexPrefix) || strings.HasPrefix(b, regexPrefix) {
		return regexMeets(a, b)
	}
	meets := make([]bool, len(b)+1) // of a from i and b from j
	for i := len(a); i >= 0; i-- {
		diagonal := false // of i+1 and j+1
		for j := len(b); j >= 0; j-- {
			below := i < len(a) && meets[j] // of i+1 and j
			right := j < len(b) && meets[j+1]
			var now bool
			switch {
			case i == len(a) && j == len(b):
				now = true
			case i < len(a) && a[i] == '*':
				now = below || right
			case j < len(b) && b[j] == '*':
				now = right || below
			case i < len(a) && j < len(b):
				now = diagonal && (a[i] == b[j] || a[i] == '?' || b[j] == '?')
			}
			diagonal, meets[j] = meets[j] && i < len(a), now
		}
	}
	return meets[0]
}

// regexMeets tries an expression on a plain name; between other patterns it
// supposes that they meet.
func regexMeets(a, b string) bool {
	if strings.HasPrefix(b, regexPrefix) {
		a, b = b, a
	}
	if strings.HasPrefix(b, regexPrefix) || strings.ContainsAny(b, "*?") {
		return true
	}
	re, err := regexp.Compile("^(?:" + strings.TrimPrefix(a, regexPrefix) + ")$")
	return err != nil || re.MatchString(b)
}
