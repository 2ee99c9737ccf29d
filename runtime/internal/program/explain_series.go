package program

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// SeriesError says what is wrong with the text of a series.
type SeriesError struct {
	Offset  int // byte of the text
	Message string
	Hint    string // "" for none
}

func (e *SeriesError) Error() string {
	text := fmt.Sprintf("byte %d: %s", e.Offset, e.Message)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// maxSeriesText bounds the text of a series: a record cannot hold a longer one.
const maxSeriesText = 1 << 20

// ParseSeries reads a series as PromQL writes it: name{label="value", …}. The
// name may stand as __name__ among the labels. A label with an empty value is the
// same as none. The error is a *SeriesError.
func ParseSeries(text string) (name string, labels metric.Labels, err error) {
	s := seriesText{text: text}
	if len(text) > maxSeriesText {
		return "", nil, s.wrong(0, "", "the text is longer than %d bytes", maxSeriesText)
	}
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			return "", nil, s.wrong(i, "", "the text is not UTF-8")
		}
	}
	s.space()
	if name = s.word(true); name == "" && !s.at('{') {
		return "", nil, s.unexpected("a name", "write name{label=\"value\"}")
	}
	s.space()
	if s.take('{') {
		if labels, err = s.labels(&name); err != nil {
			return "", nil, err
		}
	}
	s.space()
	switch {
	case s.i < len(text):
		return "", nil, s.unexpected("the end of the series", "characters that a name cannot have are underscores in the name of a series")
	case name == "":
		return "", nil, s.wrong(0, "put the name before the brace", "the series has no name")
	}
	return name, labels.Compact(), nil
}

// seriesText is a text that is read from the left.
type seriesText struct {
	text string
	i    int
}

func (s *seriesText) wrong(at int, hint, format string, args ...any) error {
	return &SeriesError{Offset: at, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func (s *seriesText) unexpected(want, hint string) error {
	if s.i >= len(s.text) {
		return s.wrong(s.i, hint, "the text ends where %s should be", want)
	}
	r, _ := utf8.DecodeRuneInString(s.text[s.i:])
	return s.wrong(s.i, hint, "%q where %s should be", r, want)
}

func (s *seriesText) space() {
	for s.i < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.i]) >= 0 {
		s.i++
	}
}

func (s *seriesText) at(c byte) bool { return s.i < len(s.text) && s.text[s.i] == c }

func (s *seriesText) take(c byte) bool {
	if s.at(c) {
		s.i++
		return true
	}
	return false
}

// word takes the name of a metric, or that of a label, which has no colon.
func (s *seriesText) word(colon bool) string {
	from := s.i
	for s.i < len(s.text) {
		c := s.text[s.i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || colon && c == ':'
		if !letter && (s.i == from || c < '0' || c > '9') {
			break
		}
		s.i++
	}
	return s.text[from:s.i]
}

// labels reads up to the closing brace.
func (s *seriesText) labels(name *string) (labels metric.Labels, err error) {
	for {
		s.space()
		if s.take('}') {
			return labels, nil
		}
		at := s.i
		label := s.word(false)
		if label == "" {
			return nil, s.unexpected("the name of a label", "")
		}
		s.space()
		value, err := s.value(label)
		if err != nil {
			return nil, err
		}
		_, twice := labels.Lookup(label)
		switch {
		case label == nameLabel && *name != "":
			return nil, s.wrong(at, "", "the series has two names")
		case label == nameLabel:
			*name = value
		case twice:
			return nil, s.wrong(at, "", "the label %s is there twice", label)
		default:
			labels = append(labels, metric.Label{Name: label, Value: value}).Sort()
		}
		s.space()
		if !s.take(',') && !s.at('}') {
			return nil, s.unexpected(`"," or "}"`, "")
		}
	}
}

// nameLabel is where Prometheus keeps the name of a series.
const nameLabel = "__name__"

// value reads the equals sign and the quoted value behind it.
func (s *seriesText) value(label string) (string, error) {
	at := s.i
	operator := s.text[at:min(at+2, len(s.text))]
	if operator == "=~" || operator == "!=" || operator == "!~" {
		return "", s.wrong(at, "this is one series, not a selector: write =", "the label %s is matched by %s", label, operator)
	}
	if !s.take('=') {
		return "", s.unexpected(`"="`, "")
	}
	s.space()
	at = s.i
	if s.i >= len(s.text) || strings.IndexByte("\"'`", s.text[s.i]) < 0 {
		return "", s.unexpected("a quoted value", "")
	}
	quote := s.text[s.i]
	for s.i++; s.i < len(s.text) && s.text[s.i] != quote; s.i++ {
		if s.text[s.i] == '\\' && quote != '`' {
			s.i++
		}
	}
	if s.i >= len(s.text) {
		return "", s.wrong(at, "", "the value of %s does not end", label)
	}
	s.i++
	value, err := unquote(s.text[at:s.i])
	if err != nil {
		return "", s.wrong(at, `write \ as \\`, "the value of %s has an escape that means nothing", label)
	}
	return value, nil
}

// unquote reads a text in quotes of any of the three kinds of PromQL. A line break
// may stand in it as it is.
func unquote(text string) (string, error) {
	quote, body := text[0], text[1:len(text)-1]
	if quote == '`' {
		return body, nil
	}
	var b strings.Builder
	for body != "" {
		if body[0] == '\n' {
			b.WriteByte('\n')
			body = body[1:]
			continue
		}
		r, multibyte, rest, err := strconv.UnquoteChar(body, quote)
		if err != nil {
			return "", err
		}
		if r < utf8.RuneSelf || multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		body = rest
	}
	return b.String(), nil
}
