package metric

import (
	"slices"
	"strings"
)

// Label is one dimension of a series.
type Label struct {
	Name  string
	Value string
}

// Labels are the dimensions of a series, sorted by name, each name once. A label
// with an empty value is the same as no label.
type Labels []Label

// Labels that the record gives by fields of its own rather than under "labels".
const (
	TaskLabel    = "torrent_task_id"
	SubtaskLabel = "subtask_index"
	AttemptLabel = "task_attempt_num"
)

// Get returns the value of the label name, "" when it is absent.
func (l Labels) Get(name string) string {
	if i, ok := l.find(name); ok {
		return l[i].Value
	}
	return ""
}

// Set returns l with the label set. It edits l in place where it can; an empty
// value removes the label.
func (l Labels) Set(name, value string) Labels {
	i, ok := l.find(name)
	switch {
	case ok && value == "":
		return slices.Delete(l, i, i+1)
	case ok:
		l[i].Value = value
		return l
	case value == "":
		return l
	}
	return slices.Insert(l, i, Label{name, value})
}

func (l Labels) find(name string) (int, bool) {
	return slices.BinarySearchFunc(l, name, func(x Label, n string) int { return strings.Compare(x.Name, n) })
}

// Sort puts l into order and, for a name that occurs twice, keeps the last one.
func (l Labels) Sort() Labels {
	slices.SortStableFunc(l, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	out := l[:0]
	for i, x := range l {
		if i+1 < len(l) && l[i+1].Name == x.Name {
			continue
		}
		out = append(out, x)
	}
	return out
}

// String writes the labels as PromQL does: {a="b", c="d"}.
func (l Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, x := range l {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(x.Name)
		b.WriteString(`="`)
		b.WriteString(labelEscaper.Replace(x.Value))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

// SeriesText writes a series as PromQL does: name{a="b"}, or the name alone.
func SeriesText(name string, labels Labels) string {
	if len(labels) == 0 {
		return name
	}
	return name + labels.String()
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Lookup returns the value of the label name and whether it is there at all,
// which an empty value is.
func (l Labels) Lookup(name string) (string, bool) {
	if i, ok := l.find(name); ok {
		return l[i].Value, true
	}
	return "", false
}

// Compact removes labels with an empty value, in place.
func (l Labels) Compact() Labels {
	return slices.DeleteFunc(l, func(x Label) bool { return x.Value == "" })
}
