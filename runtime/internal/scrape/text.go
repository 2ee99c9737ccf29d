package scrape

import (
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// The text format, version 0.0.4. One wrong byte makes a scraper refuse the
// whole page, therefore what the format cannot say is replaced here although the
// engine hands over valid names: a mistake must stay with its own series.

// exposedName returns name, mended when the format cannot say it.
func exposedName(name string) string {
	if plain(name, true) {
		return name
	}
	if name == "" {
		return "_"
	}
	return metric.SeriesName("", name)
}

// labelText returns {a="b",…} and the blank before the value. A label whose
// mended name another one already has is left out.
func labelText(labels metric.Labels) string {
	var b strings.Builder
	b.Grow(64 * len(labels))
	names := make([]string, 0, 32)
	for _, l := range labels {
		name := l.Name
		if !plain(name, false) {
			name = metric.LabelName(name)
		}
		if l.Value == "" || name == "" || name == "__name__" || contains(names, name) {
			continue
		}
		if len(names) == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		names = append(names, name)
		b.WriteString(name)
		b.WriteString(`="`)
		escape(&b, strings.ToValidUTF8(l.Value, "\uFFFD"))
		b.WriteByte('"')
	}
	if len(names) > 0 {
		b.WriteByte('}')
	}
	b.WriteByte(' ')
	return b.String()
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// plain reports whether s is a metric name, or a label name without a colon.
func plain(s string, colon bool) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == ':' && colon, c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

func escape(b *strings.Builder, s string) {
	for {
		i := strings.IndexAny(s, "\\\"\n")
		if i < 0 {
			b.WriteString(s)
			return
		}
		b.WriteString(s[:i])
		b.WriteByte('\\')
		if s[i] == '\n' {
			b.WriteByte('n')
		} else {
			b.WriteByte(s[i])
		}
		s = s[i+1:]
	}
}

// appendLine appends one sample; time is left out when it is not wanted.
func appendLine(b []byte, s *slot, value float64, time int64, timed bool) []byte {
	b = append(b, s.name...)
	b = append(b, s.labels.Value()...)
	b = strconv.AppendFloat(b, value, 'g', -1, 64) // gives NaN, +Inf and -Inf as the format wants them
	if timed {
		b = append(b, ' ')
		b = strconv.AppendInt(b, time, 10)
	}
	return append(b, '\n')
}
