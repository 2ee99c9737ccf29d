package diag

import (
	"cmp"
	"path"
	"slices"
)

// Count returns how many of ds are errors and how many are warnings.
func Count(ds []Diagnostic) (errors, warnings int) {
	for _, d := range ds {
		if d.Severity == Error {
			errors++
		}
	}
	return errors, len(ds) - errors
}

// Refused reports whether ds holds an error, so that what was checked must not run.
func Refused(ds []Diagnostic) bool {
	errors, _ := Count(ds)
	return errors > 0
}

// Sort orders ds by file, line, column, code and message, and removes repetitions.
// The order does not depend on the order in which findings were made.
func Sort(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(comparePos(a.Pos, b.Pos), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.Pos == b.Pos && a.Code == b.Code && a.Message == b.Message
	})
}

func comparePos(a, b Pos) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// Rebase returns ds with dir in front of every file name. Findings about a policy
// set name files relative to its root; a reader at a terminal wants them relative
// to where he is.
func Rebase(ds []Diagnostic, dir string) []Diagnostic {
	at := func(p Pos) Pos {
		if p.File != "" {
			p.File = path.Join(dir, p.File)
		}
		return p
	}
	out := make([]Diagnostic, len(ds))
	for i, d := range ds {
		d.Pos = at(d.Pos)
		notes := slices.Clone(d.Notes)
		for j := range notes {
			notes[j].Pos = at(notes[j].Pos)
		}
		d.Notes = notes
		out[i] = d
	}
	return out
}
