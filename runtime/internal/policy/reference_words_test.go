package policy

import (
	"fmt"
	"strings"
	"testing"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// How the reference says in words what an expression of the schema allows.

// embedded is the definition that a declaration embeds, "" for none.
func embedded(d ast.Decl) string {
	if e, ok := d.(*ast.EmbedDecl); ok {
		if id, ok := e.Expr.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}

func isMap(lit *ast.StructLit) bool {
	for _, d := range lit.Elts {
		if f, ok := d.(*ast.Field); ok {
			_, pattern := f.Label.(*ast.ListLit)
			return pattern
		}
	}
	return false
}

// operands lists what an operator connects.
func operands(e ast.Expr, op token.Token) []ast.Expr {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return operands(x.X, op)
	case *ast.BinaryExpr:
		if x.Op == op {
			return append(operands(x.X, op), operands(x.Y, op)...)
		}
	}
	return []ast.Expr{e}
}

func isDefault(e ast.Expr) (ast.Expr, bool) {
	u, ok := e.(*ast.UnaryExpr)
	if ok && u.Op == token.MUL {
		return u.X, true
	}
	return e, false
}

func written(e ast.Expr) string {
	text, err := format.Node(e)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// fallback is the default that an expression marks, "" for none.
func fallback(e ast.Expr) string {
	for _, x := range operands(e, token.OR) {
		if value, ok := isDefault(x); ok {
			return "`" + written(value) + "`"
		}
	}
	return ""
}

// allowed says what an expression allows, and the words with which it refuses the rest.
func (r *reference) allowed(e ast.Expr) (text, message string) {
	var words, others []string
	for _, x := range operands(e, token.OR) {
		value, def := isDefault(x)
		switch v := value.(type) {
		case *ast.CallExpr:
			if id, ok := v.Fun.(*ast.Ident); ok && id.Name == "error" {
				message = labelName(v.Args[0].(ast.Label)).text
				continue
			}
		case *ast.BasicLit:
			if v.Kind == token.STRING {
				words = append(words, "`"+v.Value+"`")
			}
			continue // any other literal is a default, or one of a type that follows
		}
		if !def {
			others = append(others, r.typeOf(value))
		}
	}
	if len(others) > 0 && len(words) == 1 {
		words = nil // the default is one of the others
	}
	return strings.Join(append(words, others...), ", "), message
}

// typeOf says what one alternative allows.
func (r *reference) typeOf(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return r.named(x.Name)
	case *ast.ListLit:
		return r.listOf(x)
	case *ast.StructLit:
		for _, d := range x.Elts {
			if f, ok := d.(*ast.Field); ok && isMap(x) {
				value, _ := r.allowed(f.Value)
				return "map of names to " + value
			}
		}
		return "a struct"
	}
	return bounds(operands(e, token.AND))
}

func (r *reference) named(name string) string {
	base, isDef := strings.CutPrefix(name, "#")
	switch {
	case !isDef && name == "bool":
		return "`true`, `false`"
	case !isDef && name == "string":
		return "text"
	case !isDef:
		return name
	case r.anchors[base] != "":
		return fmt.Sprintf("[%s](#%s)", base, r.anchors[base])
	}
	return fmt.Sprintf("[%s](#%s)", base, strings.ToLower(base))
}

func (r *reference) listOf(l *ast.ListLit) string {
	least := ""
	for _, el := range l.Elts {
		if dots, ok := el.(*ast.Ellipsis); ok {
			value, _ := r.allowed(dots.Type)
			return "list of " + value + least
		}
		least = ", one at least"
	}
	return "list"
}

// bounds says in words what a conjunction of bounds allows.
func bounds(list []ast.Expr) string {
	kind, least, most, rest := "", "", "", ""
	for _, e := range list {
		switch x := e.(type) {
		case *ast.Ident:
			kind = map[string]string{"int": "whole number", "number": "number"}[x.Name]
		case *ast.UnaryExpr:
			value := written(x.X)
			switch x.Op {
			case token.GEQ:
				least = " from " + value
			case token.GTR:
				if least = " above " + value; kind == "whole number" && value == "0" {
					least = " from 1"
				}
			case token.LEQ:
				most = " to " + value
			case token.LSS:
				most = " and below " + value
			case token.NEQ:
				rest = " other than " + value
				if value == `""` {
					kind, rest = "text", " that is not empty"
				}
			case token.MAT:
				kind, rest = "text", " that matches `"+labelName(x.X.(ast.Label)).text+"`"
			case token.NMAT:
				rest += " but not `" + labelName(x.X.(ast.Label)).text + "`"
			}
		case *ast.CallExpr:
			kind = "text"
			switch n := written(x.Args[0]); written(x.Fun) {
			case "strings.MinRunes":
				least = " of " + n
			case "strings.MaxRunes":
				if most = " to " + n + " characters"; least == "" {
					most = " of at most " + n + " characters"
				}
			}
		}
	}
	if kind == "" {
		kind = "number"
	}
	if strings.HasPrefix(least, " of ") && most == "" {
		most = " or more characters"
	}
	return kind + least + most + rest
}

func TestWhatAnExpressionAllows(t *testing.T) {
	r := &reference{plan: testPlan(t), anchors: map[string]string{"Control": "control"}}
	for text, want := range map[string][3]string{
		`*100 | (int & >=0 & <=9999) | error("a number")`: {"whole number from 0 to 9999", "`100`", "a number"},
		`*true | bool`:                                  {"`true`, `false`", "`true`", ""},
		`*"a" | "b" | error("a or b")`:                  {"`\"a\"`, `\"b\"`", "`\"a\"`", "a or b"},
		`"P1" | error("P1")`:                            {"`\"P1\"`", "", "P1"},
		`*"1m" | #Duration`:                             {"[Duration](#duration)", "`\"1m\"`", ""},
		`[#Topic, ...#Topic]`:                           {"list of [Topic](#topic), one at least", "", ""},
		`[...#Control]`:                                 {"list of [Control](#control)", "", ""},
		`{[_name]: #Control}`:                           {"map of names to [Control](#control)", "", ""},
		`(>0 & <1) | error("x")`:                        {"number above 0 and below 1", "", "x"},
		`(number & !=0) | error("x")`:                   {"number other than 0", "", "x"},
		`strings.MinRunes(1) | error("x")`:              {"text of 1 or more characters", "", "x"},
		`(strings.MinRunes(3) & strings.MaxRunes(500))`: {"text of 3 to 500 characters", "", ""},
		`(int & >0 & <=9) | error("x")`:                 {"whole number from 1 to 9", "", "x"},
		`=~"^a$" & !~"^__" | error("x")`:                {"text that matches `^a$` but not `^__`", "", "x"},
	} {
		e, err := parser.ParseExpr("x", text)
		if err != nil {
			t.Fatal(err)
		}
		allowed, message := r.allowed(e)
		if got := [3]string{allowed, fallback(e), message}; got != want {
			t.Errorf("%s\ngot  %q\nwant %q", text, got, want)
		}
	}
}
