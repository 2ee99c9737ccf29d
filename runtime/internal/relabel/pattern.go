package relabel

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// maxPattern is the most characters that a pattern of a rule may have.
const maxPattern = 512

// patterns returns patterns that match what the expression matches, as readable as
// they can be; ok is false when they would be longer than patterns may be.
func patterns(expr string) (list []string, ok bool) {
	if hasFlags.MatchString(expr) {
		list = []string{"re:" + expr}
	} else {
		for _, alternative := range split(bare(expr), "|") {
			if p := glob(alternative); !slices.Contains(list, p) {
				list = append(list, p)
			}
		}
	}
	if slices.Contains(list, "*") {
		list = []string{"*"}
	}
	for _, p := range list {
		if len([]rune(p)) > maxPattern {
			return nil, false
		}
	}
	return list, true
}

// hasFlags finds flags that hold for the rest of an expression, which so cannot be
// taken apart.
var hasFlags = regexp.MustCompile(`\(\?[a-zA-Z-]+\)`)

// bare is an expression without the group that may be around all of it.
func bare(expr string) string {
	for strings.HasPrefix(expr, "(") && strings.HasSuffix(expr, ")") {
		inner := expr[1 : len(expr)-1]
		inner = strings.TrimPrefix(inner, "?:")
		if strings.HasPrefix(inner, "?") || strings.HasSuffix(inner, `\`) || closesEarly(inner) {
			break
		}
		expr = inner
	}
	return expr
}

// closesEarly reports whether the first group of an expression ends before its end.
func closesEarly(inner string) bool {
	_, err := syntax.Parse(inner, syntax.Perl)
	return err != nil
}

// glob writes an expression as a glob, or as it stands behind "re:".
func glob(expr string) string {
	tree, err := syntax.Parse(expr, syntax.Perl|syntax.DotNL)
	if err != nil {
		return "re:" + expr
	}
	var b strings.Builder
	if !writeGlob(&b, tree) || strings.HasPrefix(b.String(), "re:") {
		return "re:" + expr
	}
	return b.String()
}

func writeGlob(b *strings.Builder, re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return true
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
		return re.Flags&syntax.FoldCase == 0 && !strings.ContainsAny(string(re.Rune), "*?")
	case syntax.OpAnyChar:
		b.WriteByte('?')
		return true
	case syntax.OpStar, syntax.OpPlus:
		if re.Op == syntax.OpPlus {
			b.WriteByte('?')
		}
		b.WriteByte('*')
		return re.Sub[0].Op == syntax.OpAnyChar
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			if !writeGlob(b, sub) {
				return false
			}
		}
		return true
	}
	return false
}

// split takes an expression apart at a text that stands outside of groups, classes
// and escapes.
func split(expr, at string) []string {
	var out []string
	depth, from := 0, 0
	for i := 0; i < len(expr); {
		if depth == 0 && strings.HasPrefix(expr[i:], at) {
			out = append(out, expr[from:i])
			i += len(at)
			from = i
			continue
		}
		switch expr[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		i = next(expr, i)
	}
	return append(out, expr[from:])
}

// next is the index behind the element of an expression that begins at i.
func next(expr string, i int) int {
	switch {
	case strings.HasPrefix(expr[i:], `\Q`):
		if end := strings.Index(expr[i:], `\E`); end >= 0 {
			return i + end + 2
		}
		return len(expr)
	case expr[i] == '\\':
		return min(i+2, len(expr))
	case expr[i] == '[':
		return class(expr, i+1)
	}
	return i + 1
}

// class is the index behind the class whose "[" is before i.
func class(expr string, i int) int {
	if strings.HasPrefix(expr[i:], "^") {
		i++
	}
	if strings.HasPrefix(expr[i:], "]") {
		i++
	}
	for i < len(expr) && expr[i] != ']' {
		switch end := strings.Index(expr[i:], ":]"); {
		case strings.HasPrefix(expr[i:], "[:") && end >= 0:
			i += end + 2
		case expr[i] == '\\':
			i += 2
		default:
			i++
		}
	}
	return min(i+1, len(expr))
}

// mayContain reports whether a text that the expression matches can contain r.
func mayContain(expr string, r rune) bool {
	tree, err := syntax.Parse(expr, syntax.Perl|syntax.DotNL)
	return err != nil || contains(tree, r)
}

func contains(re *syntax.Regexp, r rune) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return slices.Contains(re.Rune, r)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] <= r && r <= re.Rune[i+1] {
				return true
			}
		}
	}
	return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return contains(sub, r) })
}

// A part of a template is text, or a reference to a group.
type part struct {
	text  string
	ref   bool
	group int // of a reference; -1 for one that does not exist
}

// reference finds the references of a template, as package regexp expands them.
var reference = regexp.MustCompile(`\$\$|\$\{([\pL\p{Nd}_]+)\}|\$([\pL\p{Nd}_]+)`)

// template takes apart what a replacement says for an expression.
func template(re *regexp.Regexp, text string) []part {
	var out []part
	from := 0
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, part{text: text[from:m[0]]})
		from = m[1]
		if text[m[0]:m[1]] == "$$" {
			out = append(out, part{text: "$"})
			continue
		}
		name := text[max(m[2], m[4]):max(m[3], m[5])]
		p := part{ref: true, group: re.SubexpIndex(name)}
		if n, err := strconv.Atoi(name); err == nil && (name == "0" || name[0] != '0') {
			p.group = n
		}
		if p.group > re.NumSubexp() {
			p.group = -1
		}
		out = append(out, p)
	}
	return append(out, part{text: text[from:]})
}

// groups lists the groups that a template refers to.
func groups(parts []part) []int {
	var out []int
	for _, p := range parts {
		if p.ref && p.group >= 0 {
			out = append(out, p.group)
		}
	}
	return out
}

// shifted writes a template again, its groups counted from before+1.
func shifted(parts []part, before int) string {
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.ref && p.group >= 0:
			b.WriteString("${" + strconv.Itoa(p.group-before) + "}")
		case !p.ref:
			b.WriteString(strings.ReplaceAll(p.text, "$", "$$"))
		}
	}
	return b.String()
}
