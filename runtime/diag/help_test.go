package diag

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared returns the codes that code.go declares.
func declared(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []Code
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, Code(text))
		}
		return true
	})
	return out
}

func TestEveryCodeHasHelp(t *testing.T) {
	codes := declared(t)
	if len(codes) < 30 {
		t.Fatalf("code.go declares %d codes", len(codes))
	}
	for _, c := range codes {
		h, ok := Lookup(c)
		if !ok {
			t.Errorf("%s has no help", c)
			continue
		}
		if h.Title == "" || len(h.Text) < 40 || h.Bad == "" || h.Good == "" || h.Bad == h.Good {
			t.Errorf("%s: help is incomplete: %+v", c, h)
		}
		if strings.HasSuffix(h.Title, ".") || !strings.HasSuffix(h.Text, ".") {
			t.Errorf("%s: a title has no full stop, a text has one", c)
		}
	}
	if len(Codes()) != len(codes) {
		t.Errorf("%d helps for %d codes", len(Codes()), len(codes))
	}
	order := func(a, b Help) int { return slices.Index(codes, a.Code) - slices.Index(codes, b.Code) }
	if !slices.IsSortedFunc(Codes(), order) {
		t.Error("Codes are not in the order of code.go")
	}
}

func TestLookupUnknown(t *testing.T) {
	if h, ok := Lookup("P999"); ok || h != (Help{}) {
		t.Errorf("Lookup of an unknown code gives %+v", h)
	}
}
