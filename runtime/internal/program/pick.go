package program

import (
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// Picker picks series by the words of a match, apart from any rule: who looks at
// a program while it runs says so what to look at.
type Picker struct{ match selector }

// NewPicker compiles a match; one without conditions picks everything. The error
// names the first field that is wrong.
func NewPicker(m *policy.Match) (*Picker, error) {
	c := &compiler{}
	p := &Picker{c.selector(m, place{field: "match"})}
	for _, d := range c.findings {
		return nil, fmt.Errorf("%s: %s", d.Path[len("match."):], d.Message)
	}
	return p, nil
}

// Picks reports whether a series, as it was reported, is picked. What tags its
// task has is what prog knows.
func (k *Picker) Picks(prog *Program, in Input) bool {
	x := prog.alone(in)
	return k.match.mismatch(&x) == ""
}

// Texts compiles patterns, each a glob or after re: an RE2 expression, and returns
// what tells whether a text matches any of them.
func Texts(list []string) (func(string) bool, error) {
	ps, err := newPatterns(list)
	if err != nil {
		return nil, err
	}
	return ps.match, nil
}
