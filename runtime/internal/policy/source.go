package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/schema"
)

// A source is a parsed file of an author.
type source struct {
	name string
	file *ast.File
	test bool // _test.cue
}

// allowedImports are the packages of CUE that policies may import besides the
// schema. None of them reads, writes or depends on anything outside.
var allowedImports = []string{
	"crypto/sha256", "encoding/base64", "encoding/hex", "encoding/json", "list", "math", "net",
	"path", "regexp", "strconv", "strings", "struct", "text/template", "time",
}

// parse reads one file. With a diagnostic the source is nil.
func parse(name string, text []byte) (*source, []diag.Diagnostic) {
	file, err := parser.ParseFile(name, text, parser.ParseComments)
	if err == nil {
		return &source{name: name, file: file, test: strings.HasSuffix(name, "_test.cue")}, nil
	}
	first := errors.Errors(err)[0]
	format, args := first.Msg()
	d := finding(diag.Syntax, first.Position(), "%s", fmt.Sprintf(format, args...))
	d.Pos.File = name
	return nil, []diag.Diagnostic{d}
}

// parseAll reads files of a snapshot; those with a syntax error are missing in the result.
func parseAll(snap Snapshot, names []string) ([]*source, []diag.Diagnostic) {
	var sources []*source
	var out []diag.Diagnostic
	for _, name := range names {
		s, ds := parse(name, snap[name])
		out = append(out, ds...)
		if s != nil {
			sources = append(sources, s)
		}
	}
	return sources, out
}

// vetFile finds what a file of a policy set may not have: another package clause,
// attributes that load conditionally or embed other files, imports from elsewhere.
func vetFile(s *source) []diag.Diagnostic {
	var out []diag.Diagnostic
	if strings.HasSuffix(s.name, "_tool.cue") {
		d := finding(diag.Forbidden, token.NoPos, "a policy set has no command files")
		d.Pos.File = s.name
		return append(out, d)
	}
	if name := s.file.PackageName(); name != packageName {
		d := finding(diag.BadPackage, packagePos(s.file), "the file is of package %s", name)
		if name == "" {
			d.Message = "the file is of no package"
		}
		d.Pos.File = s.name
		d.Hint = "begin it with: package " + packageName
		out = append(out, d)
	}
	return append(out, vetConstructs(s)...)
}

func packagePos(f *ast.File) token.Pos {
	for _, d := range f.Decls {
		if p, ok := d.(*ast.Package); ok {
			return p.Name.Pos()
		}
	}
	return f.Pos()
}

// vetConstructs finds imports and attributes that would make the outcome depend
// on something outside the file.
func vetConstructs(s *source) []diag.Diagnostic {
	var out []diag.Diagnostic
	for spec := range s.file.ImportSpecs() {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil || name != schema.ImportPath && !slices.Contains(allowedImports, name) {
			d := finding(diag.BadImport, spec.Path.Pos(), "%s cannot be imported", spec.Path.Value)
			d.Hint = fmt.Sprintf("the schema (%q) and these packages of CUE can: %s",
				schema.ImportPath, strings.Join(allowedImports, ", "))
			out = append(out, d)
		}
	}
	attribute := func(a *ast.Attribute, onField bool) {
		if a.Name() == "tag" && onField {
			return
		}
		d := finding(diag.Forbidden, a.Pos(), "the attribute @%s has no place in a policy set", a.Name())
		if a.Name() == "if" {
			d.Hint = "to depend on a tag write, for instance, #env: *\"dev\" | \"prod\" @tag(env), and if #env == \"prod\" {…}"
		}
		out = append(out, d)
	}
	ast.Walk(s.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.Field:
			for _, a := range x.Attrs {
				attribute(a, true)
			}
		case *ast.File:
			for _, d := range x.Decls {
				if a, ok := d.(*ast.Attribute); ok {
					attribute(a, false)
				}
			}
		case *ast.StructLit:
			for _, d := range x.Elts {
				if a, ok := d.(*ast.Attribute); ok {
					attribute(a, false)
				}
			}
		}
		return true
	}, nil)
	return out
}

// finding is an error at a place of an author's file.
func finding(code diag.Code, pos token.Pos, format string, args ...any) diag.Diagnostic {
	return diag.Diagnostic{Code: code, Pos: place(pos), Message: fmt.Sprintf(format, args...)}
}

func place(pos token.Pos) diag.Pos {
	if !pos.IsValid() {
		return diag.Pos{}
	}
	at := pos.Position()
	return diag.Pos{File: at.Filename, Line: at.Line, Column: at.Column}
}
