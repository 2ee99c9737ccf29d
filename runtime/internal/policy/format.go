package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// A Formatter writes files of policies in one form. It is not safe for concurrent use.
type Formatter struct{ plan *plan }

// NewFormatter returns a formatter. The error says that the embedded schema cannot
// be read.
func NewFormatter() (*Formatter, error) {
	p, err := readPlan()
	if err != nil {
		return nil, err
	}
	return &Formatter{p}, nil
}

// Format writes a file as "cue fmt" does, simplified, with the fields of each rule
// in one order: what it is, when it applies, what it selects, what it does. The
// meaning does not change, and comments stay with what they are about. With fix it
// also rewrites what the schema refuses or no longer asks for, and says where.
//
// A file that does not parse gives a finding and no text. The error says that
// Format itself failed: the file is to be left as it is.
func (x *Formatter) Format(name string, text []byte, fix bool) (out []byte, fixed []diag.Note, found []diag.Diagnostic, err error) {
	defer func() {
		if r := recover(); r != nil { // no text may end this process
			out, fixed, found, err = nil, nil, nil, fmt.Errorf("format %s: CUE gave up: %v", name, r)
		}
	}()
	s, found := parse(name, text)
	if s == nil {
		return nil, nil, found, nil
	}
	if fix {
		f := fixer{plan: x.plan, src: s}
		f.file()
		fixed = f.notes
		slices.SortStableFunc(fixed, func(a, b diag.Note) int {
			return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
		})
	}
	if out, err = settle(s.file, x.plan); err != nil {
		return nil, nil, nil, fmt.Errorf("format %s: %w", name, err)
	}
	return out, fixed, nil, nil
}

// settle formats until formatting changes nothing more. CUE's formatter may need a
// second look at what it has written, and a file is formatted when it stays as it is.
func settle(file *ast.File, p *plan) ([]byte, error) {
	const looks = 5
	var last []byte
	for range looks {
		o := orderer{plan: p}
		o.file(file)
		text, err := format.Node(file, format.Simplify())
		if err != nil {
			return nil, err
		}
		if bytes.Equal(text, last) {
			return text, nil
		}
		last = text
		if file, err = parser.ParseFile(file.Filename, text, parser.ParseComments); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the formatter does not come to an end")
}

// A ruleVisitor is called for each value that a file gives to a name in a section
// of policy: section is such as control, where the field that names the rule.
type ruleVisitor func(section string, where *ast.Field)

// eachRule visits what is written as policy: SECTION: NAME: …, also within
// comprehensions, in the order of the file.
func eachRule(file *ast.File, visit ruleVisitor) {
	for _, d := range file.Decls {
		eachField(d, func(f *ast.Field) {
			if labelName(f.Label).text != policyField {
				return
			}
			fieldsIn(f.Value, func(section *ast.Field) {
				name := labelName(section.Label)
				if name.computed {
					return
				}
				fieldsIn(section.Value, func(rule *ast.Field) { visit(name.text, rule) })
			})
		})
	}
}

// fieldsIn calls f for each field that an expression writes.
func fieldsIn(e ast.Expr, f func(*ast.Field)) {
	for _, lit := range literals(e) {
		for _, d := range lit.Elts {
			eachField(d, f)
		}
	}
}

func eachField(d ast.Decl, f func(*ast.Field)) {
	switch x := d.(type) {
	case *ast.Field:
		f(x)
	case *ast.Comprehension:
		if lit, ok := x.Value.(*ast.StructLit); ok {
			fieldsIn(lit, f)
		}
	}
}

// literals returns the structs that an expression unifies.
func literals(e ast.Expr) []*ast.StructLit {
	switch x := e.(type) {
	case *ast.StructLit:
		return []*ast.StructLit{x}
	case *ast.ParenExpr:
		return literals(x.X)
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			return append(literals(x.X), literals(x.Y)...)
		}
	}
	return nil
}
