package policy

import (
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
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

// abridge brings a file of the schema into its brief form. A condition there ends in
// | error("what to write"), which CUE evaluates beside the condition whether it
// holds or not. Without that, the condition stands alone.
func abridge(f *ast.File) {
	astutil.Apply(f, nil, func(c astutil.Cursor) bool {
		or, ok := c.Node().(*ast.BinaryExpr)
		if !ok || or.Op != token.OR || !isErrorCall(or.Y) {
			return true
		}
		condition := or.X
		if only, ok := condition.(*ast.UnaryExpr); ok && only.Op == token.MUL {
			condition = only.X // a default is one among several
		}
		c.Replace(condition)
		return true
	})
}

func isErrorCall(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	id, ok := call.Fun.(*ast.Ident)
	return ok && id.Name == "error"
}
