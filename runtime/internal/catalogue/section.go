package catalogue

import (
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// section is a section of the data: metrics by meaning and unit, that all its
// scopes and groups have.
type section struct {
	Scopes     []string `json:"scopes"`
	Groups     []string `json:"groups"`
	Needs      string   `json:"needs"`
	After      string   `json:"after"`
	ReplacedBy string   `json:"replacedBy"`
	Origin     string   `json:"origin"`

	Counter   byUnit `json:"counter"`
	Meter     byUnit `json:"meter"`
	Histogram byUnit `json:"histogram"`
	Gauge     byUnit `json:"gauge"`
	Total     byUnit `json:"total"`
	Rate      byUnit `json:"rate"`
	Ratio     byUnit `json:"ratio"`
	Flag      byUnit `json:"flag"`
	Time      byUnit `json:"time"`
	Text      byUnit `json:"text"`
}

// byUnit lists names under the unit of their values.
type byUnit map[string][]string

// columns says what the lists of a section mean.
func (s *section) columns() []column {
	return []column{
		{s.Counter, metric.Counter, Count},
		{s.Meter, metric.Meter, Rate},
		{s.Histogram, metric.Histogram, Summary},
		{s.Gauge, metric.Gauge, Level},
		{s.Total, metric.Gauge, Count},
		{s.Rate, metric.Gauge, Rate},
		{s.Ratio, metric.Gauge, Ratio},
		{s.Flag, metric.Gauge, Flag},
		{s.Time, metric.Gauge, Moment},
		{s.Text, metric.Gauge, Text},
	}
}

type column struct {
	names   byUnit
	kind    metric.Kind
	meaning Meaning
}

// expand writes the section out, an entry for each scope, group and name.
func (s section) expand() ([]Entry, error) {
	origin, ok := metric.ParseOrigin(s.Origin)
	if !ok {
		return nil, fmt.Errorf("unknown origin %q", s.Origin)
	}
	var out []Entry
	for _, c := range s.columns() {
		for unit, names := range c.names {
			for _, name := range names {
				out = append(out, s.places(Entry{
					Name: name, Kind: c.kind, Meaning: c.meaning, Unit: unit, Origin: origin,
					Needs: s.Needs, After: s.After, ReplacedBy: s.ReplacedBy,
				})...)
			}
		}
	}
	return out, nil
}

// places puts a metric into every scope and group of the section.
func (s *section) places(e Entry) (out []Entry) {
	name := e.Name
	for _, e.Scope = range s.Scopes {
		for _, group := range s.Groups {
			e.Name = name
			if group != "" {
				e.Name = group + "." + name
			}
			out = append(out, e)
		}
	}
	return out
}
