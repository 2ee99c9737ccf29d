package policy

import (
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
)

// pathString writes a path as people do: policy.control.a.match.labels."a-b".0.
func pathString(path []string) string {
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = p
		if strings.ContainsAny(p, `. "`) || p == "" {
			parts[i] = strconv.Quote(p)
		}
	}
	return strings.Join(parts, ".")
}

// plainPath undoes the quoting of names in a path that CUE reports.
func plainPath(path []string) []string {
	out := make([]string, len(path))
	for i, p := range path {
		out[i] = p
		if strings.HasPrefix(p, `"`) {
			if text, err := literal.Unquote(p); err == nil {
				out[i] = text
			}
		}
	}
	return out
}

// fieldOf returns the last name of a path that is not the index of a list element.
func fieldOf(path []string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if _, err := strconv.Atoi(path[i]); err != nil {
			return path[i]
		}
	}
	return ""
}

// isElement reports whether path ends in the index of a list element.
func isElement(path []string) bool {
	if len(path) == 0 {
		return false
	}
	_, err := strconv.Atoi(path[len(path)-1])
	return err == nil
}

func docOf(n ast.Node) string {
	var lines []string
	for _, g := range ast.Comments(n) {
		if !g.Doc {
			continue
		}
		for _, c := range g.List {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(c.Text, "//")))
		}
	}
	return strings.Join(lines, " ")
}
