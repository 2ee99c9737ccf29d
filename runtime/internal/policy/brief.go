package policy

import (
	"regexp"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
)

// A form is a way of writing the schema.
type form int

const (
	// brief leaves out of the schema what it says to people. It accepts what full
	// accepts, with the same outcome, and is faster; what is wrong it cannot tell.
	brief form = iota
	full
)

// abridge brings a file of the schema into its brief form. What costs time there are
// choices: CUE evaluates each of the alternatives for each value, whichever holds.
// A condition that ends in | error("what to write") becomes the condition alone, and
// a choice of words one pattern.
func abridge(f *ast.File) {
	was := map[ast.Node]ast.Node{}
	short := func(e *ast.Expr) {
		if or, ok := (*e).(*ast.BinaryExpr); ok && or.Op == token.OR {
			*e = choice(alternatives(or))
			was[or] = *e
		}
	}
	ast.Walk(f, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.Field:
			short(&x.Value)
		case *ast.ParenExpr:
			short(&x.X)
		case *ast.ListLit:
			for i := range x.Elts {
				short(&x.Elts[i])
			}
		}
		return true
	}, nil)
	ast.Walk(f, func(n ast.Node) bool { // a reference names the value that it refers to
		if id, ok := n.(*ast.Ident); ok && was[id.Node] != nil {
			id.Node = was[id.Node]
		}
		return true
	}, nil)
}

// alternatives are those between which a choice is, in order.
func alternatives(e ast.Expr) []ast.Expr {
	if or, ok := e.(*ast.BinaryExpr); ok && or.Op == token.OR {
		return append(alternatives(or.X), alternatives(or.Y)...)
	}
	return []ast.Expr{e}
}

// choice is one between alternatives, in its brief form.
func choice(among []ast.Expr) ast.Expr {
	var out, words []ast.Expr
	for _, e := range among {
		switch {
		case isErrorCall(e):
		case isText(e):
			words = append(words, e)
		default:
			out = append(out, e)
		}
	}
	if len(words) > 1 {
		words = []ast.Expr{pattern(words)}
	}
	out = append(out, words...)
	only, marked := out[0].(*ast.UnaryExpr)
	if len(out) == 1 && marked && only.Op == token.MUL {
		return only.X // a default is one among several
	}
	return ast.NewBinExpr(token.OR, out...)
}

func isText(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

// pattern matches the words, and nothing else.
func pattern(words []ast.Expr) ast.Expr {
	var texts []string
	for _, w := range words {
		text, err := literal.Unquote(w.(*ast.BasicLit).Value)
		if err != nil {
			return ast.NewBinExpr(token.OR, words...)
		}
		texts = append(texts, regexp.QuoteMeta(text))
	}
	return &ast.UnaryExpr{Op: token.MAT, X: ast.NewString(`^(?:` + strings.Join(texts, "|") + `)$`)}
}

func isErrorCall(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	id, ok := call.Fun.(*ast.Ident)
	return ok && id.Name == "error"
}
