package collector

import (
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// section is the answer to one question. Series come and go by sections: what the
// last answer had and this one has not is ended, and without an answer nothing is.
type section struct {
	key     string // unique; parts are separated by slashes, so that a prefix stands for many
	task    string
	labels  metric.Labels // of every sample
	samples []sample
}

type sample struct {
	id     int           // in metrics
	labels metric.Labels // its own
	form   record.Form
	count  int64
	value  float64
	text   string
}

func (s *section) counts(id int, n int64, labels ...metric.Label) {
	s.samples = append(s.samples, sample{id: id, labels: metric.Labels(labels).Sort(), form: record.Count, count: n})
}

func (s *section) level(id int, v float64, labels ...metric.Label) {
	s.samples = append(s.samples, sample{id: id, labels: metric.Labels(labels).Sort(), form: record.Number, value: v})
}

func (s *section) says(id int, text string, labels ...metric.Label) {
	s.samples = append(s.samples, sample{id: id, labels: metric.Labels(labels).Sort(), form: record.Text, text: text})
}

func (s *section) flag(id int, yes bool, labels ...metric.Label) {
	v := 0.
	if yes {
		v = 1
	}
	s.level(id, v, labels...)
}

// optional is a number that an answer may lack.
type optional interface{ Get() (float64, bool) }

// known gives a level where there is a number, multiplied by times.
func (s *section) known(id int, n optional, times float64, labels ...metric.Label) {
	if v, ok := n.Get(); ok {
		s.level(id, v*times, labels...)
	}
}

// counted gives a counter where there is a whole number.
func (s *section) counted(id int, n interface{ Count() (int64, bool) }, labels ...metric.Label) {
	if v, ok := n.Count(); ok {
		s.counts(id, v, labels...)
	}
}

// findings are what one part of a round found. They are filled by one goroutine.
type findings struct {
	sections []*section
	kept     []string // prefixes of sections that could not be asked for, or need not be
	failures []failure
	position []position // of Kafka sources, for the lag
}

// failure is a call that failed.
type failure struct {
	cluster, call string
	err           error
}

func (f *findings) section(key, task string, labels metric.Labels) *section {
	s := &section{key: key, task: task, labels: labels}
	f.sections = append(f.sections, s)
	return s
}

func (f *findings) keep(prefix string) { f.kept = append(f.kept, prefix) }

func (f *findings) fail(cluster, call string, err error) {
	f.failures = append(f.failures, failure{cluster, call, err})
}

func (f *findings) add(other findings) {
	f.sections = append(f.sections, other.sections...)
	f.kept = append(f.kept, other.kept...)
	f.failures = append(f.failures, other.failures...)
	f.position = append(f.position, other.position...)
}

func (f *findings) keeps(key string) bool {
	for _, prefix := range f.kept {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// What a collected text or label may have, in bytes.
const (
	maxText  = 512
	maxLabel = 200
)

// cut bounds a text without breaking a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
