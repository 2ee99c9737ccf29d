package record

import (
	"strings"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// labelsAt scans an object of strings and returns it with its braces.
func labelsAt(b []byte, i int) ([]byte, int, fault) {
	start := i
	if i >= len(b) || b[i] != '{' {
		i, f := mismatch(b, i, wantLabels)
		return nil, i, f
	}
	i++
	for first := true; ; first = false {
		key, next, f := member(b, i, first)
		if f != noFault {
			return nil, next, f
		}
		if key.lo == 0 {
			return b[start:next], next, noFault
		}
		if _, i, f = stringAt(b, next); f != noFault {
			return nil, i, f
		}
	}
}

// AppendLabels adds the labels of a raw object, as View.Labels and Point.Labels
// hold it, to dst and returns all of them in the form metric.Labels promises.
// Names become label names (see LabelName); of several labels with one name the
// last counts. A label with an empty value is kept: it says that the series has
// no such label even where a field of the record would give it one. raw may be
// nil. The error is an *Error; it says that raw is no object of strings.
func AppendLabels(dst metric.Labels, raw []byte) (metric.Labels, error) {
	dst, err := appendLabels(dst, raw, LabelName)
	if err != nil {
		return dst, err
	}
	return dst.Sort(), nil
}

// LabelName returns the Prometheus label name for a label of a record: without
// the angle brackets of Flink's variables, every other character that a label
// name may not have replaced by an underscore, never empty and never with the two
// leading underscores that Prometheus keeps for itself.
func LabelName(written string) string {
	if n := len(written); n > 1 && written[0] == '<' && written[n-1] == '>' {
		written = written[1 : n-1]
	}
	name := metric.LabelName(written)
	for strings.HasPrefix(name, "__") {
		name = name[1:]
	}
	if name == "" {
		return "_"
	}
	return name
}

// appendLabels adds the members of raw in their order, names as the function says.
func appendLabels(dst metric.Labels, raw []byte, name func(string) string) (metric.Labels, error) {
	if raw == nil {
		return dst, nil
	}
	if _, end, f := labelsAt(raw, 0); f != noFault {
		return dst, newError(raw, end, "labels", f)
	} else if end != len(raw) {
		return dst, newError(raw, end, "labels", trailing)
	}
	for i, first := 1, true; ; first = false {
		key, next, _ := member(raw, i, first)
		if key.lo == 0 {
			return dst, nil
		}
		value, end, _ := stringAt(raw, next)
		dst = append(dst, metric.Label{Name: name(Unquote(raw[key.lo:key.hi])), Value: Unquote(value)})
		i = end
	}
}

// AppendStrings adds the strings of a raw array, as View.To holds it, to dst. raw
// may be nil. The error is an *Error; it says that raw is no array of strings.
func AppendStrings(dst []string, raw []byte) ([]string, error) {
	if raw == nil {
		return dst, nil
	}
	if _, end, f := stringsAt(raw, 0); f != noFault {
		return dst, newError(raw, end, "to", f)
	} else if end != len(raw) {
		return dst, newError(raw, end, "to", trailing)
	}
	for i, first := 1, true; ; first = false {
		next, done, _ := element(raw, i, first)
		if done {
			return dst, nil
		}
		value, end, _ := stringAt(raw, next)
		dst = append(dst, Unquote(value))
		i = end
	}
}
