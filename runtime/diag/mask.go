package diag

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// hidden stands for text that is not shown.
const hidden = "<hidden>"

// secretColumns returns where ds finds secrets, by line: a Pos without Column. No
// finding on such a line, of whatever kind, must show them.
func secretColumns(ds []Diagnostic) map[Pos][]int {
	lines := map[Pos][]int{}
	for _, d := range ds {
		if d.Code == SecretInline {
			line := Pos{File: d.Pos.File, Line: d.Pos.Line}
			lines[line] = append(lines[line], d.Pos.Column)
		}
	}
	return lines
}

// A line may show a secret before any check has found it there, as when the file
// does not parse. So what follows a telling word is masked unless it is a reference.
var (
	telling = regexp.MustCompile(`(?i)(?:password|passwd|bearer|secret|token|credential|authorization|cookie|api-?key)[^:=,{}]*[:=][\s&|(*]*` +
		`(#+["'].*|""".*|'''.*|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)`)
	reference = regexp.MustCompile(`^["'](?:env|file)://`)
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?`)
	userinfo  = regexp.MustCompile(`://([^/@\s"]+)@`)
)

// In text that is no CUE a secret may stand without quotes.
var (
	bare   = regexp.MustCompile(`(?i)(?:password|passwd|secret|token|credential|cookie|api-?key)[\w.-]*\s*[:=]\s*([^\s"'{}\[\]<>(),;&|]+)`)
	scheme = regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+([\w.~+/=-]{12,})`)
	fetch  = regexp.MustCompile(`^(?:env|file)://`)
)

// A span is a range of bytes of a line.
type span struct{ from, to int }

// bySpan puts what begins first first, and of those the longest.
func bySpan(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) }

// secrets returns what of a line must not be shown, in order: what begins at the
// columns where a secret was found, and what may be a secret by its looks.
func secrets(line string, known []int) []span {
	var out []span
	for _, column := range known {
		from := min(max(column-1, 0), len(line))
		out = append(out, span{from, from + literalLen(line[from:])})
	}
	for _, m := range telling.FindAllStringSubmatchIndex(line, -1) {
		if !reference.MatchString(line[m[2]:]) {
			out = append(out, span{m[2], m[3]})
		}
	}
	for _, m := range userinfo.FindAllStringSubmatchIndex(line, -1) {
		out = append(out, span{m[2], m[3]})
	}
	slices.SortFunc(out, bySpan)
	return out
}

// literalLen returns the length of the literal with which s begins, or of all of s
// where its end is not certain.
func literalLen(s string) int {
	if m := quoted.FindString(s); m != "" && strings.HasPrefix(s, m) && !strings.HasPrefix(s, `"""`) && !strings.Contains(m, `\(`) {
		return len(m)
	}
	return len(s)
}

// conceal returns line[from:to] with each part that lies in one of the spans
// replaced by hidden.
func conceal(line string, from, to int, spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		s = span{max(s.from, from), min(s.to, to)}
		if s.from >= s.to {
			continue
		}
		b.WriteString(line[from:s.from])
		b.WriteString(hidden)
		from = s.to
	}
	b.WriteString(line[from:to])
	return b.String()
}

// Mask returns a line of text with what may be a secret, by its looks, hidden:
// what follows a telling word such as password, quoted or not, a token behind
// Bearer, and the user of a URL.
func Mask(line string) string {
	spans := secrets(line, nil)
	for _, form := range []*regexp.Regexp{bare, scheme} {
		for _, m := range form.FindAllStringSubmatchIndex(line, -1) {
			if !fetch.MatchString(line[m[2]:]) {
				spans = append(spans, span{m[2], m[3]})
			}
		}
	}
	slices.SortFunc(spans, bySpan)
	return conceal(line, 0, len(line), spans)
}

// Excerpt is the beginning of a text of others, masked: at most n bytes, and a mark where more was.
func Excerpt(text string, n int) string { return shorten(Mask(text), n) }

// shorten cuts a text to at most n bytes, between two characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
