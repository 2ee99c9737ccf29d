package policy

import (
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// cycles finds fields that are computed from each other. Where a default is at
// hand CUE takes it instead and says nothing, so the author's value is lost.
func cycles(sources []*source) []diag.Diagnostic {
	p := &planter{top: map[string][]ast.Expr{}}
	var fields []*ast.Field
	for _, s := range sources {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.Field); ok {
				if name := labelName(f.Label); !name.computed {
					p.top[name.text] = append(p.top[name.text], f.Value)
				}
			}
		}
		ast.Walk(s.file, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				fields = append(fields, f)
			}
			return true
		}, nil)
	}
	c := cycleFinder{planter: p, state: map[ast.Expr]cycleState{}, closed: map[ast.Expr]bool{}}
	for _, f := range fields {
		if scalar(f.Value) {
			c.follow(f.Value, false)
		}
	}
	var out []diag.Diagnostic
	for _, f := range fields {
		if c.closed[f.Value] {
			d := finding(diag.Cycle, f.Label.Pos(), "%s is computed from itself", label(labelName(f.Label)))
			d.Hint = "give one of the fields on the way a value of its own"
			out = append(out, d)
		}
	}
	return out
}

// scalar reports whether e is not a struct or list, whose parts are looked at one by one.
func scalar(e ast.Expr) bool {
	switch e.(type) {
	case *ast.StructLit, *ast.ListLit:
		return false
	}
	return true
}

type cycleState uint8

const (
	cycleOpen cycleState = iota + 1 // being looked at
	cycleDone
)

// A cycleFinder walks from values to the values that they are computed from.
type cycleFinder struct {
	*planter
	state  map[ast.Expr]cycleState
	steps  []step
	closed map[ast.Expr]bool // values at which a cycle with an operator closes
}

type step struct {
	value    ast.Expr
	computed bool // reached through an operator
}

// follow walks from e, which was reached through an operator when computed is set.
// Each value is walked from once, so each cycle closes at one value.
func (c *cycleFinder) follow(e ast.Expr, computed bool) {
	switch c.state[e] {
	case cycleDone:
		return
	case cycleOpen:
		for i := len(c.steps) - 1; i >= 0 && c.steps[i].value != e; i-- {
			computed = computed || c.steps[i].computed
		}
		if computed {
			c.closed[e] = true
		}
		return
	}
	c.state[e] = cycleOpen
	c.steps = append(c.steps, step{e, computed})
	c.operands(e, false)
	c.steps = c.steps[:len(c.steps)-1]
	c.state[e] = cycleDone
}

func (c *cycleFinder) operands(e ast.Expr, computed bool) {
	switch x := e.(type) {
	case *ast.ParenExpr:
		c.operands(x.X, computed)
	case *ast.UnaryExpr:
		c.operands(x.X, computed || x.Op != token.MUL)
	case *ast.BinaryExpr:
		computed = computed || x.Op != token.AND && x.Op != token.OR
		c.operands(x.X, computed)
		c.operands(x.Y, computed)
	case *ast.CallExpr:
		for _, a := range x.Args {
			c.operands(a, true)
		}
	case *ast.Interpolation:
		for _, el := range x.Elts {
			c.operands(el, true)
		}
	case *ast.Ident, *ast.SelectorExpr, *ast.IndexExpr:
		for _, target := range c.resolve(e) {
			if scalar(target) {
				c.follow(target, computed)
			}
		}
	}
}
