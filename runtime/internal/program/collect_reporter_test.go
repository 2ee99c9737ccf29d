package program

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// A reporter that obeys a control document: what the one for Flink is to do,
// written short. What it does not understand it sends.

// reported is a sample as a reporter has it.
type reported struct {
	Scope   string            `json:"scope"`
	Metric  string            `json:"metric"`
	Type    string            `json:"type"`
	Origin  string            `json:"origin,omitempty"` // as far as the reporter is sure of it
	Labels  map[string]string `json:"labels"`
	Subtask int               `json:"subtask"`
	Attempt int               `json:"attempt"`
	At      int64             `json:"at_ms"`

	last  bool // the metric goes away after this
	value float64
}

// allLabels are the labels of a series as the program sees them.
func (x *reported) allLabels(task string) metric.Labels {
	var l metric.Labels
	for name, value := range x.Labels {
		l = append(l, metric.Label{Name: name, Value: value})
	}
	l = l.Sort()
	add := func(name, value string) {
		if _, ok := l.Lookup(name); !ok {
			l = l.Set(name, value)
		}
	}
	add(metric.TaskLabel, task)
	if x.Subtask >= 0 {
		add(metric.SubtaskLabel, strconv.Itoa(x.Subtask))
	}
	if x.Attempt >= 0 {
		add(metric.AttemptLabel, strconv.Itoa(x.Attempt))
	}
	return l.Compact()
}

func (x *reported) name() string { return metric.SeriesName(x.Scope, x.Metric) }

// sent is what becomes of a sample: expect in the vectors.
type sent struct {
	Do     string            `json:"do"`              // send or skip
	Topic  string            `json:"topic,omitempty"` // "": the usual one
	Labels map[string]string `json:"labels,omitzero"` // that are left
}

// wireDocument is a document as it may come: from another version, or damaged.
type wireDocument struct {
	Version int           `json:"v"`
	Tasks   []CollectTask `json:"tasks"`
	Rules   []wireRule    `json:"rules"`
	Labels  []wireRule    `json:"labels"`
}

type wireRule struct {
	Do     string                     `json:"do"`
	Share  string                     `json:"share"`
	By     string                     `json:"by"`
	Every  int64                      `json:"every_ms"`
	Pick   string                     `json:"pick"`
	Topic  string                     `json:"topic"`
	Drop   []string                   `json:"drop"`
	Match  map[string]json.RawMessage `json:"match"`
	Unless map[string]json.RawMessage `json:"unless"`
	Team   string                     `json:"team"`
}

// sourceReporter reports for one task and obeys one document.
type sourceReporter struct {
	doc    wireDocument
	task   string
	period int64            // ms between two reports
	passed map[string]int64 // thin first: the interval of the last sample sent, by series
	notes  map[string]int   // what it did, for tests of tests
}

func newSourceReporter(document []byte, task string, period int64) (*sourceReporter, error) {
	r := &sourceReporter{task: task, period: period, passed: map[string]int64{}, notes: map[string]int{}}
	err := json.Unmarshal(document, &r.doc)
	if err == nil && r.doc.Version != collectVersion {
		r.doc = wireDocument{} // of another time: as good as none
	}
	return r, err
}

// deeds are what a reporter notes that it did; tests want to see all of them.
var deeds = []string{"disabled", "drop", "sample", "sampled away", "thin", "thinned away", "topic", "send", "keep", "label left out", "not understood"}

// answer says whether something holds; what cannot be told counts as perhaps.
type answer uint8

const (
	no answer = iota
	perhaps
	yes
)

func truth(b bool) answer {
	if b {
		return yes
	}
	return no
}

// report decides about one sample.
func (r *sourceReporter) report(x *reported) sent {
	labels := x.allLabels(r.task)
	tags, off := r.about(labels.Get(jobLabel))
	if off {
		r.notes["disabled"]++
		return sent{Do: "skip"}
	}
	rule := r.decide(x, labels, tags)
	r.notes[rule.Do]++
	out := sent{Do: "send", Labels: x.Labels}
	bare := true // labels may go
	switch rule.Do {
	case CollectDrop:
		return sent{Do: "skip"}
	case CollectSample:
		if !r.samples(&rule, x, labels) {
			r.notes["sampled away"]++
			return sent{Do: "skip"}
		}
	case CollectThin:
		if !r.thins(&rule, x, labels) {
			r.notes["thinned away"]++
			return sent{Do: "skip"}
		}
		bare = false
	case CollectTopic:
		out.Topic = rule.Topic
	case CollectSend:
		bare = false
	}
	if bare {
		out.Labels = r.strip(x, labels, tags)
	}
	return out
}

// decide returns the rule that decides, made send where that is not sure.
func (r *sourceReporter) decide(x *reported, labels metric.Labels, tags map[string]string) wireRule {
	for _, rule := range r.doc.Rules {
		switch a := r.applies(&rule, x, labels, tags); {
		case a == no:
			continue
		case a == perhaps || !rule.understood():
			r.notes["not understood"]++
			return wireRule{Do: CollectSend}
		}
		return rule
	}
	return wireRule{Do: CollectKeep}
}

func (w *wireRule) understood() bool {
	switch w.Do {
	case CollectDrop, CollectKeep, CollectSend:
		return true
	case CollectSample:
		_, err := strconv.ParseUint(w.Share, 10, 64)
		return err == nil && (w.By == "series" || w.By == "record")
	case CollectThin:
		return w.Every > 0 && (w.Pick == "first" || w.Pick == "last")
	case CollectTopic:
		return w.Topic != ""
	}
	return false
}

func (r *sourceReporter) applies(w *wireRule, x *reported, labels metric.Labels, tags map[string]string) answer {
	a := r.selects(w.Match, x, labels, tags)
	if w.Team != "" {
		a = min(a, tagAnswer(tags, teamTag, []string{w.Team}))
	}
	if w.Unless == nil {
		return a
	}
	return min(a, yes-r.selects(w.Unless, x, labels, tags))
}

func (r *sourceReporter) selects(m map[string]json.RawMessage, x *reported, labels metric.Labels, tags map[string]string) answer {
	all := yes
	for key, raw := range m {
		var list []string
		var fields map[string][]string
		a := perhaps
		switch {
		case slices.Contains([]string{"labels", "tags"}, key) && json.Unmarshal(raw, &fields) == nil:
			a = yes
			for name, list := range fields {
				if key == "tags" {
					a = min(a, tagAnswer(tags, name, list))
				} else {
					a = min(a, anyOf(list, labels.Get(name)))
				}
			}
		case json.Unmarshal(raw, &list) != nil:
		case key == "metrics":
			a = anyOf(list, x.name())
		case key == "tasks":
			if a = anyOf(list, r.task); labels.Get(jobLabel) != "" {
				a = max(a, anyOf(list, labels.Get(jobLabel)))
			}
		case key == "kinds":
			a = truth(slices.Contains(list, x.Type))
		case key == "origin" && x.Origin != "":
			a = truth(slices.Contains(list, x.Origin))
		}
		all = min(all, a)
	}
	return all
}

// anyOf reports whether a value matches; perhaps when a pattern of the list
// cannot be read.
func anyOf(list []string, v string) answer {
	ps, err := newPatterns(list)
	if err != nil {
		return perhaps
	}
	return truth(ps.match(v))
}

// tagAnswer asks for a tag; nil tags are not known.
func tagAnswer(tags map[string]string, name string, list []string) answer {
	if tags == nil {
		return perhaps
	}
	return anyOf(list, tags[name])
}

// about returns the tags of the task, nil when they cannot be told, and whether
// it is switched off.
func (r *sourceReporter) about(job string) (tags map[string]string, off bool) {
	var hits []CollectTask
	team := ""
	for _, e := range r.doc.Tasks {
		a := anyOf(e.Match, r.task)
		if job != "" {
			a = max(a, anyOf(e.Match, job))
		}
		if a == perhaps {
			return nil, false
		} else if a == yes {
			hits = append(hits, e)
			if team == "" {
				team = e.Tags[teamTag]
			}
		}
	}
	tags = map[string]string{}
	for _, e := range hits {
		if e.Team != "" && e.Team != team {
			continue
		}
		for name, value := range e.Tags {
			if tags[name] == "" {
				tags[name] = value
			}
		}
		off = off || !e.Enabled
	}
	return tags, off
}

func (r *sourceReporter) samples(w *wireRule, x *reported, labels metric.Labels) bool {
	share, _ := strconv.ParseUint(w.Share, 10, 64)
	hash := hashSeries(r.task, x.name(), labels)
	if w.By == "record" {
		hash = mix(hash ^ mix(uint64(x.At)))
	}
	return hash < share
}

func (r *sourceReporter) thins(w *wireRule, x *reported, labels metric.Labels) bool {
	number := floorDiv(x.At, w.Every)
	if x.last {
		return true
	}
	if w.Pick == "last" { // another report surely comes within the interval
		return x.At+r.period*5/2 > (number+1)*w.Every
	}
	key := x.name() + x.Type + labels.String()
	before, ok := r.passed[key]
	r.passed[key] = number
	return !ok || before != number
}

// strip leaves out the labels that it may.
func (r *sourceReporter) strip(x *reported, labels metric.Labels, tags map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range x.Labels {
		out[name] = value
	}
	for _, l := range r.doc.Labels {
		if r.applies(&l, x, labels, tags) != yes {
			continue
		}
		for name := range x.Labels {
			if !slices.Contains(kept[:], name) && slices.ContainsFunc(l.Drop, func(p string) bool { return anyOf([]string{p}, name) == yes }) {
				delete(out, name)
				r.notes["label left out"]++
			}
		}
	}
	return out
}
