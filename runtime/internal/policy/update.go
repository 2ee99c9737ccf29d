package policy

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// ExpectEdit says how one list of a test's expectations changes. Elements are
// counted as they are written.
type ExpectEdit struct {
	Team, Test string
	List       string // field of expect: kept, dropped, samples
	Change     []ElementChange
	Remove     []int    // elements, in order
	Add        []string // elements as CUE text
}

// ElementChange gives an element, or a field of it, another value.
type ElementChange struct {
	Index int
	Field string // "" for the element itself
	Value string // CUE text
}

// FileEdit is a file with new text. Everything else in it is as it was.
type FileEdit struct {
	File     string
	Old, New []byte
	splices  []splice
}

// splice is a part of a file and what takes its place.
type splice struct {
	from, to int
	text     string
}

// UpdateTests edits expectations where their authors wrote them. What is computed,
// so that no text in a file stands for it alone, becomes a warning at its place.
func UpdateTests(snap Snapshot, edits []ExpectEdit) ([]FileEdit, []diag.Diagnostic) {
	var found []diag.Diagnostic
	files := map[string]*FileEdit{}
	trees := map[string]*tree{}
	for i := range edits {
		e := &edits[i]
		t := trees[e.Team]
		if t == nil {
			t = teamTree(snap, e.Team)
			trees[e.Team] = t
		}
		list, where, why := writtenList(t, e)
		if why == "" {
			why = e.splice(list, where, files, snap)
		}
		if why != "" {
			d := diag.Diagnostic{Code: diag.TestFailed, Severity: diag.Warning, Pos: where.pos, Path: e.Team + "/" + e.Test,
				Message: fmt.Sprintf("%s of test %s/%s cannot be rewritten: %s", e.List, e.Team, e.Test, why), Hint: "change it by hand"}
			found = append(found, d)
		}
	}
	var out []FileEdit
	for _, f := range files {
		if f.apply(); f.stillCUE() {
			out = append(out, *f)
		}
	}
	slices.SortFunc(out, func(a, b FileEdit) int { return cmp.Compare(a.File, b.File) })
	return out, found
}

// teamTree parses the files of a team.
func teamTree(snap Snapshot, team string) *tree {
	for _, pkg := range packages(snap) {
		if pkg.Team == "" || pkg.Team == team {
			sources, _ := parseAll(snap, pkg.Files) // the set has been loaded: there are no findings
			return plant(sources, nil)
		}
	}
	return &tree{}
}

// listSite is where a list is written.
type listSite struct {
	file string
	pos  diag.Pos
}

// writtenList finds the literal that an edit is about, or says why there is none.
func writtenList(t *tree, e *ExpectEdit) (*ast.ListLit, listSite, string) {
	at := []string{policyField, "test", e.Test, "expect", e.List}
	sites := t.find(at)
	if len(sites) == 0 {
		near, _ := t.near(at)
		where := listSite{}
		if len(near) > 0 {
			where.pos = place(near[0].pos())
		}
		return nil, where, "it is computed"
	}
	s := sites[0]
	where := listSite{file: s.src.name, pos: place(s.value.Pos())}
	list, ok := s.value.(*ast.ListLit)
	switch {
	case len(sites) > 1:
		return nil, where, "it is written in several places"
	case t.fields[policyField].fields["test"].fields[e.Test] == nil:
		return nil, where, "the test is made by a comprehension"
	case !ok:
		return nil, where, "it is computed"
	}
	for _, el := range list.Elts {
		if !plainElement(el) {
			return nil, listSite{s.src.name, place(el.Pos())}, "a comprehension makes its elements"
		}
	}
	return list, where, ""
}

// splice adds what the edit changes to its file, or says why it cannot. Elements
// that come take the place of those that go, as far as there are any.
func (e *ExpectEdit) splice(list *ast.ListLit, where listSite, files map[string]*FileEdit, snap Snapshot) string {
	f := files[where.file]
	if f == nil {
		f = &FileEdit{File: where.file, Old: snap[where.file]}
	}
	splices := []splice{}
	for _, c := range e.Change {
		n := valueOf(list.Elts[c.Index], c.Field)
		if n == nil {
			return fmt.Sprintf("%s of element %d is computed", cmp.Or(c.Field, "the value"), c.Index)
		}
		splices = append(splices, splice{n.Pos().Offset(), n.End().Offset(), c.Value})
	}
	remove, add := e.Remove, e.Add
	for len(remove) > 0 && len(add) > 0 {
		n := list.Elts[remove[0]]
		splices = append(splices, splice{n.Pos().Offset(), n.End().Offset(), add[0]})
		remove, add = remove[1:], add[1:]
	}
	for _, i := range remove {
		splices = append(splices, f.without(list, i))
	}
	if len(add) > 0 {
		splices = append(splices, f.with(list, add))
	}
	f.splices = append(f.splices, splices...)
	files[where.file] = f
	return ""
}

// valueOf returns the literal that a field of an element, or the element, is
// written as; nil when it is none.
func valueOf(el ast.Expr, field string) ast.Expr {
	value := el
	if field != "" {
		value = nil
		lit, ok := el.(*ast.StructLit)
		if !ok {
			return nil
		}
		for _, d := range lit.Elts {
			if f, ok := d.(*ast.Field); ok && labelName(f.Label).text == field {
				value = f.Value
			}
		}
	}
	switch x := value.(type) {
	case *ast.BasicLit, *ast.ListLit:
		return value
	case *ast.UnaryExpr:
		if _, ok := x.X.(*ast.BasicLit); ok {
			return value
		}
	}
	return nil
}

// without takes an element away, with its comma, and with its lines where nothing
// else stands on them.
func (f *FileEdit) without(list *ast.ListLit, i int) splice {
	from, to := list.Elts[i].Pos().Offset(), list.Elts[i].End().Offset()
	if after := f.blank(to); after < len(f.Old) && f.Old[after] == ',' {
		to = after + 1
	}
	start, end := f.lineStart(from), f.blank(to)
	if f.blank(start) == from && end < len(f.Old) && f.Old[end] == '\n' {
		return splice{from: start, to: end + 1}
	}
	if i == len(list.Elts)-1 && i > 0 { // the comma before it goes instead
		return splice{from: list.Elts[i-1].End().Offset(), to: list.Elts[i].End().Offset()}
	}
	return splice{from: from, to: end}
}

// with puts elements behind the last one, each on a line of its own where the
// others are.
func (f *FileEdit) with(list *ast.ListLit, add []string) splice {
	if len(list.Elts) == 0 {
		at := list.Lbrack.Offset() + 1
		return splice{at, at, strings.Join(add, ", ")}
	}
	last := list.Elts[len(list.Elts)-1]
	at := last.End().Offset()
	if !bytes.Contains(f.Old[at:list.Rbrack.Offset()], []byte("\n")) {
		return splice{at, at, ", " + strings.Join(add, ", ")}
	}
	start := f.lineStart(last.Pos().Offset())
	indent := string(f.Old[start:f.blank(start)])
	text := ""
	if at < len(f.Old) && f.Old[at] == ',' {
		at++
	} else {
		text = ","
	}
	for _, el := range add {
		text += "\n" + indent + el + ","
	}
	return splice{at, at, text}
}

// blank returns where the spaces from i on end.
func (f *FileEdit) blank(i int) int {
	for i < len(f.Old) && (f.Old[i] == ' ' || f.Old[i] == '\t' || f.Old[i] == '\r') {
		i++
	}
	return i
}

func (f *FileEdit) lineStart(i int) int { return bytes.LastIndexByte(f.Old[:i], '\n') + 1 }

// apply makes the new text.
func (f *FileEdit) apply() {
	slices.SortStableFunc(f.splices, func(a, b splice) int { return cmp.Compare(a.from, b.from) })
	f.New = f.between(0, len(f.Old), f.splices)
}

// between returns the old text of a span with splices applied that lie in it.
func (f *FileEdit) between(from, to int, splices []splice) []byte {
	var out []byte
	for _, s := range splices {
		if s.from < from { // within a part that has gone already
			continue
		}
		out = append(append(out, f.Old[from:s.from]...), s.text...)
		from = s.to
	}
	return append(out, f.Old[from:to]...)
}

// stillCUE keeps an edit that went wrong from reaching a file.
func (f *FileEdit) stillCUE() bool {
	_, err := parser.ParseFile(path.Base(f.File), f.New, parser.ParseComments)
	return err == nil
}
