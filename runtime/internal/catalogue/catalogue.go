// Package catalogue is what is known of the metrics that Flink registers by
// itself. It classifies metrics whose records do not say where they come from,
// and tells counts from levels, which Flink's gauges do not. The facts are CUE
// data among the default policies; the package knows none by itself, and nothing
// of samples.
package catalogue

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Meaning is what the numbers of a metric say. Flink registers all but the first
// and the last as gauges too.
type Meaning uint8

// The meanings.
const (
	Count   Meaning = iota + 1 // only grows; starts again with the process or attempt
	Level                      // goes up and down
	Rate                       // per second
	Ratio                      // a share, 1 for all
	Flag                       // 0 or 1
	Moment                     // Unix milliseconds
	Text                       // no number
	Summary                    // statistics of a window
)

var meanings = [...]string{
	Count: "count", Level: "level", Rate: "rate", Ratio: "ratio", Flag: "flag", Moment: "moment", Text: "text", Summary: "summary",
}

// String returns a word for people: count, level, rate, ratio, flag, moment, text
// or summary.
func (m Meaning) String() string {
	if int(m) < len(meanings) && meanings[m] != "" {
		return meanings[m]
	}
	return fmt.Sprintf("meaning(%d)", m)
}

// Entry is a metric that Flink registers.
type Entry struct {
	Scope string // logical scope, such as "taskmanager.job.task"

	// Name is the group and the name within the scope, such as
	// "Status.JVM.CPU.Load". Text in angle brackets stands for what differs from
	// one installation to the next: "<collector>", "<topic>".
	Name string

	Kind    metric.Kind
	Meaning Meaning
	Unit    string // of the values, in words: "bytes", "records/s", "ms/s"
	Origin  metric.Origin

	Needs      string // option, connector or feature that it depends on; "" for what every Flink reports
	After      string // newest version of Flink known not to have it; "" for 1.16 and before
	ReplacedBy string // what to use in place of a metric kept for old dashboards; "" for a current one
}

// Catalogue holds the entries. It is immutable and safe for concurrent use.
type Catalogue struct {
	entries []Entry
	exact   map[string]*Entry // by series name
	shapes  []shape           // for names with placeholders, the most specific first
}

// Load reads the catalogue from the CUE package in a folder of fsys. An error
// means that the data is wrong.
func Load(fsys fs.FS, dir string) (*Catalogue, error) {
	var data map[string]section
	if err := policy.Eval(fsys, dir, "section", &data); err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	c := &Catalogue{exact: map[string]*Entry{}}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		entries, err := data[name].expand()
		if err != nil {
			return nil, fmt.Errorf("catalogue: section %s: %w", name, err)
		}
		c.entries = append(c.entries, entries...)
	}
	slices.SortFunc(c.entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name))
	})
	for i := range c.entries {
		if err := c.index(&c.entries[i]); err != nil {
			return nil, fmt.Errorf("catalogue: %w", err)
		}
	}
	slices.SortStableFunc(c.shapes, func(a, b shape) int { return cmp.Compare(b.fixed(), a.fixed()) })
	return c, nil
}

func (c *Catalogue) index(e *Entry) error {
	if s := newShape(e); len(s.parts) > 1 {
		c.shapes = append(c.shapes, s)
		return nil
	}
	name := metric.SeriesName(e.Scope, e.Name)
	if c.exact[name] != nil {
		return fmt.Errorf("%s %s is there twice", e.Scope, e.Name)
	}
	c.exact[name] = e
	return nil
}

// Entries lists everything, ordered by scope and name. The caller must not
// change it.
func (c *Catalogue) Entries() []Entry { return c.entries }

// Lookup returns the entry of a series name, such as
// "flink_taskmanager_Status_JVM_CPU_Load".
func (c *Catalogue) Lookup(series string) (Entry, bool) {
	if e := c.exact[series]; e != nil {
		return *e, true
	}
	for i := range c.shapes {
		if c.shapes[i].match(series) {
			return *c.shapes[i].entry, true
		}
	}
	return Entry{}, false
}

// Origin classifies a metric whose record does not say who registered it:
// Native, SQL, or Custom for what the catalogue does not have.
func (c *Catalogue) Origin(scope, name string) metric.Origin {
	if e, ok := c.Lookup(metric.SeriesName(scope, name)); ok {
		return e.Origin
	}
	return metric.Custom
}

// Counts reports whether the values of a series only grow, whatever Flink
// registers the metric as.
func (c *Catalogue) Counts(series string) bool {
	e, ok := c.Lookup(series)
	return ok && e.Meaning == Count
}

// shape is a series name with placeholders: the text around them, in order.
type shape struct {
	parts []string
	entry *Entry
}

// placeholder stands for "<…>" in a series name. No name of Flink's has it.
const placeholder = "::"

func newShape(e *Entry) shape {
	var name strings.Builder
	rest := e.Name
	for {
		before, after, ok := strings.Cut(rest, "<")
		name.WriteString(before)
		if !ok {
			break
		}
		_, rest, _ = strings.Cut(after, ">")
		name.WriteString(placeholder)
	}
	return shape{strings.Split(metric.SeriesName(e.Scope, name.String()), placeholder), e}
}

// fixed is the length of the text that is given: how specific a shape is.
func (s *shape) fixed() int {
	n := 0
	for _, p := range s.parts {
		n += len(p)
	}
	return n
}

// match reports whether a name has the parts in order, with text between them.
func (s *shape) match(name string) bool {
	first, last := s.parts[0], s.parts[len(s.parts)-1]
	if len(name) <= len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	rest := name[len(first) : len(name)-len(last)]
	for _, p := range s.parts[1 : len(s.parts)-1] {
		if rest == "" {
			return false
		}
		i := strings.Index(rest[1:], p)
		if i < 0 {
			return false
		}
		rest = rest[1+i+len(p):]
	}
	return rest != ""
}
