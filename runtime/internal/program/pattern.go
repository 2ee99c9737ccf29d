package program

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// pattern matches whole values: a glob (* any characters, ? one) or, after "re:",
// an RE2 expression. Most patterns are literals, prefixes and suffixes; these are
// told apart so that an index can look them up.
type pattern struct {
	form form
	text string // what a literal, prefix, suffix or contains looks for; the glob itself
	*whole
}

// whole is the expression of a pattern that is one.
type whole struct {
	re    *regexp.Regexp
	parts []string // texts that a value must have, in order, for re to match
}

type form uint8

const (
	everything form = iota
	literal
	prefix
	suffix
	contains
	glob
	expression
)

const expressionMark = "re:"

func newPattern(s string) (pattern, error) {
	if expr, ok := strings.CutPrefix(s, expressionMark); ok {
		re, err := compileWhole(expr)
		if err != nil {
			return pattern{}, err
		}
		return pattern{form: expression, text: s, whole: &whole{re, fixedParts(expr)}}, nil
	}
	core := strings.Trim(s, "*")
	if strings.ContainsAny(core, "*?") {
		return pattern{form: glob, text: s}, nil
	}
	before, after := strings.HasPrefix(s, "*"), strings.HasSuffix(s, "*")
	switch {
	case core == "" && before:
		return pattern{form: everything}, nil
	case before && after:
		return pattern{form: contains, text: core}, nil
	case before:
		return pattern{form: suffix, text: core}, nil
	case after:
		return pattern{form: prefix, text: core}, nil
	}
	return pattern{form: literal, text: s}, nil
}

// compileWhole compiles an expression that must match the whole value.
func compileWhole(expr string) (*regexp.Regexp, error) {
	// The expression alone first: an unbalanced one could close the group below.
	if _, err := syntax.Parse(expr, syntax.Perl); err != nil {
		return nil, fmt.Errorf("not an RE2 expression: %w", err)
	}
	return regexp.Compile(`^(?s:(?:` + expr + `))$`)
}

// String is the shortest way to write the pattern.
func (p *pattern) String() string {
	switch p.form {
	case everything:
		return "*"
	case prefix:
		return p.text + "*"
	case suffix:
		return "*" + p.text
	case contains:
		return "*" + p.text + "*"
	}
	return p.text
}

// literally is a pattern that matches only v.
func literally(v string) string {
	if strings.ContainsAny(v, "*?") || strings.HasPrefix(v, expressionMark) {
		return expressionMark + regexp.QuoteMeta(v)
	}
	return v
}

func (p *pattern) match(v string) bool {
	switch p.form {
	case everything:
		return true
	case literal:
		return v == p.text
	case prefix:
		return strings.HasPrefix(v, p.text)
	case suffix:
		return strings.HasSuffix(v, p.text)
	case contains:
		return strings.Contains(v, p.text)
	case glob:
		return matchGlob(p.text, v)
	}
	rest := v
	for _, part := range p.parts {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return p.re.MatchString(v)
}

// fixedParts returns the literal pieces of an expression that is a sequence. To
// look for them costs a tenth of running the expression, and mostly decides.
func fixedParts(expr string) (parts []string) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	pieces := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		pieces = tree.Sub
	}
	for _, piece := range pieces {
		if piece.Op == syntax.OpLiteral && piece.Flags&syntax.FoldCase == 0 {
			parts = append(parts, string(piece.Rune))
		}
	}
	return parts
}

// matchGlob goes back to the last * only, which is enough: an earlier one could
// take no text that the last one cannot.
func matchGlob(g, v string) bool {
	star, retry := -1, 0
	i, j := 0, 0
	for j < len(v) {
		_, size := utf8.DecodeRuneInString(v[j:])
		switch {
		case i < len(g) && g[i] == '*':
			star, retry = i, j
			i++
		case i < len(g) && g[i] == '?':
			i, j = i+1, j+size
		case i < len(g) && g[i] == v[j]:
			i, j = i+1, j+1
		case star >= 0:
			_, size = utf8.DecodeRuneInString(v[retry:])
			retry += size
			i, j = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(g[i:], "*") == ""
}

type patterns []pattern

func newPatterns(list []string) (patterns, error) {
	out := make(patterns, len(list))
	for i, s := range list {
		p, err := newPattern(s)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		out[i] = p
	}
	return out, nil
}

// match reports whether any of the patterns matches.
func (ps patterns) match(v string) bool {
	for i := range ps {
		if ps[i].match(v) {
			return true
		}
	}
	return false
}

// Matcher returns what tells whether a value matches a pattern as policies have
// it: a glob, or RE2 after "re:".
func Matcher(text string) (func(value string) bool, error) {
	p, err := newPattern(text)
	if err != nil {
		return nil, err
	}
	return p.match, nil
}
