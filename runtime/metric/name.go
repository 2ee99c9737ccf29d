package metric

import "strings"

// SeriesName returns the Prometheus name of a Flink metric: "flink_", the
// logical scope and the metric joined by underscores, every other character
// replaced by one, as Flink's own Prometheus reporter does, so that public
// dashboards keep working. Without a scope the metric is the whole name.
func SeriesName(scope, name string) string {
	var b strings.Builder
	b.Grow(len("flink__") + len(scope) + len(name))
	if scope != "" {
		b.WriteString("flink_")
		sanitise(&b, scope, false)
		b.WriteByte('_')
	}
	sanitise(&b, name, scope == "")
	return b.String()
}

// LabelName returns name with every character that a Prometheus label name may
// not have replaced by an underscore.
func LabelName(name string) string {
	var b strings.Builder
	sanitise(&b, name, true)
	return strings.ReplaceAll(b.String(), ":", "_")
}

// sanitise writes s with each character outside [a-zA-Z0-9_:] as one underscore;
// at the start of a name a digit is put behind one.
func sanitise(b *strings.Builder, s string, start bool) {
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == ':':
			b.WriteRune(r)
		case r >= '0' && r <= '9':
			if start && i == 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
}
