package policy

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Eval evaluates the CUE files of one directory of fsys, which are one package, and
// decodes the value at path, such as "catalogue.metrics", into what into points
// to. Unknown fields are refused. It is for data that is part of this program: an
// error names the place, but does not teach.
//
// Files whose names end in _test.cue, directories below dir and files that [Take]
// would leave out do not take part.
func Eval(fsys fs.FS, dir, at string, into any) error {
	sub, err := fs.Sub(fsys, path.Clean(dir))
	if err != nil {
		return fmt.Errorf("evaluate %s: %w", dir, err)
	}
	snap, found, err := Take(sub)
	if err != nil {
		return fmt.Errorf("evaluate %s: %w", dir, err)
	}
	found = diag.Rebase(found, dir)
	var files []*ast.File
	for _, name := range snap.names() {
		if path.Dir(name) != "." {
			continue
		}
		s, ds := parse(path.Join(dir, name), snap[name])
		if found = append(found, ds...); s == nil || s.test {
			continue
		}
		found = append(found, vetConstructs(s)...)
		files = append(files, s.file)
	}
	if found = diag.Sort(found); len(found) > 0 {
		return fmt.Errorf("evaluate: %w", found[0])
	}
	target := cue.ParsePath(at)
	if err := target.Err(); err != nil {
		return fmt.Errorf("evaluate %s: %w", dir, err)
	}
	e, err := evaluate(files, target)
	switch {
	case err != nil:
		return fmt.Errorf("evaluate %s: %w", dir, err)
	case len(e.wrong) > 0:
		return fmt.Errorf("evaluate %s: %s", dir, strings.TrimSpace(errors.Details(e.wrong[0], nil)))
	case !e.value.Exists():
		return fmt.Errorf("evaluate %s: there is no %s", dir, at)
	}
	return decodeStrict(e.value, into)
}
