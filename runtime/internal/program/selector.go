package program

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// subject is an input with what the program knows of its task.
type subject struct {
	Input
	job  string // label job_name
	task *taskInfo
	memo *Memo // nil: none
	live bool  // it is of live traffic, and no question
}

// jobLabel is the label by which rules select tasks beside torrent_task_id.
const jobLabel = "job_name"

// selector is a compiled match: every condition that is set must hold.
type selector struct {
	metrics, tasks patterns
	kinds, origins wordSet
	labels, tags   []condition // by name
}

// condition asks for the value of a label or tag; an absent one is "".
type condition struct {
	name   string
	values patterns
}

// wordSet is a set of kinds or origins; empty means all.
type wordSet uint16

func (s wordSet) has(i uint8) bool { return s == 0 || s&(1<<i) != 0 }

// wordTexts lists the words of a set whose last word is the one given; nil for all.
func wordTexts[T interface {
	~uint8
	String() string
}](s wordSet, last T) []string {
	var out []string
	for v := T(1); v <= last; v++ {
		if s != 0 && s.has(uint8(v)) {
			out = append(out, v.String())
		}
	}
	return out
}

// mismatch names the first condition that does not hold, "" when all do.
func (s *selector) mismatch(x *subject) string {
	switch {
	case len(s.metrics) > 0 && !s.metrics.match(x.Name):
		return "metrics"
	case !s.kinds.has(uint8(x.Kind)):
		return "kinds"
	case !s.origins.has(uint8(x.Origin)):
		return "origin"
	case len(s.tasks) > 0 && !s.tasks.match(x.Task) && (x.job == "" || !s.tasks.match(x.job)):
		return "tasks"
	}
	for i := range s.labels {
		if c := &s.labels[i]; !c.values.match(x.Labels.Get(c.name)) {
			return "labels." + c.name
		}
	}
	for i := range s.tags {
		if c := &s.tags[i]; !c.values.match(x.task.tags.Get(c.name)) {
			return "tags." + c.name
		}
	}
	return ""
}

// selector compiles a match; what is wrong with it is reported under at.
func (c *compiler) selector(m *policy.Match, at place) selector {
	return selector{
		metrics: c.patterns(m.Metrics, at, ".metrics"),
		tasks:   c.patterns(m.Tasks, at, ".tasks"),
		kinds:   words(c, m.Kinds, metric.ParseKind, at, ".kinds"),
		origins: words(c, m.Origin, metric.ParseOrigin, at, ".origin"),
		labels:  c.conditions(m.Labels, at, ".labels."),
		tags:    c.conditions(m.Tags, at, ".tags."),
	}
}

// patterns compiles patterns; what is wrong with them is reported at a field of at.
func (c *compiler) patterns(list []string, at place, field string) patterns {
	if len(list) == 0 {
		return nil
	}
	out := c.cut(len(list))
	for i, s := range list {
		p, err := c.pattern(s)
		if err != nil {
			c.fail(diag.BadPattern, at.in(field), fmt.Sprintf("%q: %v", s, err), "a pattern is a glob with * and ?, or re: and an RE2 expression; both match the whole value")
			return nil
		}
		out[i] = p
	}
	return out
}

// roomSize is how many patterns are made at once, at most: not quite a power of two,
// since what the allocator adds must fit, too.
const roomSize = 500

// cut returns room for n patterns, of a piece that other rules have the rest of: most
// have a list or two, of one pattern each.
func (c *compiler) cut(n int) patterns {
	if cap(c.room)-len(c.room) < n {
		c.room = make(patterns, 0, max(n, min(cap(c.rules), roomSize)))
	}
	begin, end := len(c.room), len(c.room)+n
	c.room = c.room[:end]
	return c.room[begin:end:end]
}

// pattern compiles a pattern. Those that are expressions have some kilobytes, and
// rules with the same one share it.
func (c *compiler) pattern(s string) (pattern, error) {
	if !strings.HasPrefix(s, expressionMark) {
		return newPattern(s)
	}
	p, ok := c.expressions[s]
	if ok {
		return p, nil
	}
	p, err := newPattern(s)
	if err == nil {
		if c.expressions == nil {
			c.expressions = map[string]pattern{}
		}
		c.expressions[s] = p
	}
	return p, err
}

func (c *compiler) conditions(m map[string][]string, at place, field string) []condition {
	if len(m) == 0 {
		return nil
	}
	out := make([]condition, 0, len(m))
	for _, name := range sortedKeys(m) {
		out = append(out, condition{name, c.patterns(m[name], at, field+name)})
	}
	return out
}

func words[T ~uint8](c *compiler, list []string, parse func(string) (T, bool), at place, field string) wordSet {
	var set wordSet
	for _, s := range list {
		v, ok := parse(s)
		if !ok {
			c.fail(diag.BadValue, at.in(field), fmt.Sprintf("%q is not one of the words allowed", s), "")
			continue
		}
		set |= 1 << v
	}
	return set
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
