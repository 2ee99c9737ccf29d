package policy

import (
	"fmt"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/schema"
)

// An evaluation is a package that CUE has evaluated. Drop it when its values have
// been read: the context behind it only ever grows.
type evaluation struct {
	pkg   cue.Value
	value cue.Value      // at the path that was asked for
	wrong []errors.Error // what CUE finds wrong with it
}

// evaluate builds a package from files, which it uses up, in a context of its own,
// and evaluates what is at path. Only the schema and CUE's own packages can be
// imported: there is no loader, no file system and no registry behind it, so
// nothing outside of files takes part.
//
// A panic of CUE counts as something that it finds wrong: no text may end this process.
func evaluate(files []*ast.File, path cue.Path) (evaluation, error) {
	return (&contract{}).evaluate(files, path, full)
}

// contract is the schema for evaluations one after the other: each of its forms is
// parsed once.
type contract struct{ forms [full + 1]*build.Instance }

func (c *contract) evaluate(files []*ast.File, path cue.Path, how form) (e evaluation, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.forms[how] = nil // who knows how far it came
			e.wrong = []errors.Error{errors.Newf(token.NoPos, "CUE gave up: %v", r)}
		}
	}()
	builder := build.NewContext()
	if c.forms[how] == nil {
		if c.forms[how], err = schemaInstance(builder, how); err != nil {
			return e, err
		}
	}
	inst := builder.NewInstance("", func(_ token.Pos, path string) *build.Instance {
		if path == schema.ImportPath {
			return c.forms[how]
		}
		return nil // one of CUE's own, which the build knows
	})
	inst.ImportPath = "sluice.invalid/" + packageName
	for _, f := range files {
		if err := inst.AddSyntax(f); err != nil {
			return evaluation{wrong: errors.Errors(err)}, nil
		}
	}
	if err := inst.Complete(); err != nil {
		return evaluation{wrong: errors.Errors(err)}, nil
	}
	e.pkg = cuecontext.New().BuildInstance(inst)
	e.value = e.pkg.LookupPath(path)
	if !e.value.Exists() {
		e.wrong = errors.Errors(e.pkg.Err())
		return e, nil
	}
	e.wrong = errors.Errors(e.value.Validate(cue.Concrete(true)))
	if len(e.wrong) > 0 && how == full {
		e.wrong = append(e.wrong, piecewise(e.value, 2)...)
	}
	return e, nil
}

// piecewise validates the structs that lie depth below v one by one, and looks for
// what those above them lack. CUE does not look for fields that are missing as long
// as something else is wrong, wherever it is.
func piecewise(v cue.Value, depth int) []errors.Error {
	if depth == 0 {
		return errors.Errors(v.Validate(cue.Concrete(true)))
	}
	fields, err := v.Fields(cue.Optional(true))
	if err != nil {
		return nil
	}
	var out []errors.Error
	for fields.Next() {
		switch fields.FieldType().ConstraintType() {
		case cue.OptionalConstraint:
		case cue.RequiredConstraint:
			out = append(out, &absent{errors.Newf(v.Pos(), msgAbsent), append(textPath(v.Path()), fields.Selector().Unquoted())})
		default:
			out = append(out, piecewise(fields.Value(), depth-1)...)
		}
	}
	return out
}

// absent is an error about a field that must be given, or cannot be.
type absent struct {
	cueError
	path []string
}

type cueError = errors.Error // a field of the name Error would hide the method

// Path returns that of the field.
func (a *absent) Path() []string { return a.path }

func textPath(p cue.Path) []string {
	var out []string
	for _, s := range p.Selectors() {
		out = append(out, s.String())
	}
	return out
}

// field is the path of a top-level field.
func field(name string) cue.Path { return cue.MakePath(cue.Str(name)) }

func schemaInstance(builder *build.Context, how form) (*build.Instance, error) {
	files, err := schemaFiles(how)
	if err != nil {
		return nil, err
	}
	inst := builder.NewInstance(schemaRoot, nil)
	inst.ImportPath, inst.PkgName = schema.ImportPath, "schema"
	for _, f := range files {
		if err := inst.AddSyntax(f); err != nil {
			return nil, fmt.Errorf("embedded schema: %w", err)
		}
	}
	if err := inst.Complete(); err != nil {
		return nil, fmt.Errorf("embedded schema: %w", err)
	}
	return inst, nil
}

// imposedFile is the name of the file that binds a set to the schema.
const imposedFile = "sluice:imposed.cue"

// imposed returns a file that unifies policy with #Policy of this binary, and with
// #Team where the set has one, whatever its authors import or leave out. As a part
// of the package it is evaluated together with it, once.
func imposed(team bool) (*ast.File, error) {
	text := fmt.Sprintf("package %s\nimport imposedSchema %q\n%s: imposedSchema.#Policy\n", packageName, schema.ImportPath, policyField)
	if team {
		text += policyField + ": #Team\n"
	}
	f, err := parser.ParseFile(imposedFile, text)
	if err != nil {
		return nil, fmt.Errorf("bind the set to the schema: %w", err)
	}
	return f, nil
}

// enclose moves the fields of a file below the field name, unified with #definition
// of the schema.
func enclose(f *ast.File, name, definition string) {
	var head, body []ast.Decl
	for _, d := range f.Decls {
		switch d.(type) {
		case *ast.Package, *ast.ImportDecl, *ast.CommentGroup, *ast.Attribute:
			head = append(head, d)
		default:
			body = append(body, d)
		}
	}
	spec := &ast.ImportSpec{Name: ast.NewIdent("imposedSchema"), Path: ast.NewString(schema.ImportPath)}
	head = append(head, &ast.ImportDecl{Specs: []*ast.ImportSpec{spec}})
	bound := ast.NewBinExpr(token.AND,
		ast.NewSel(ast.NewIdent("imposedSchema"), "#"+definition),
		&ast.StructLit{Elts: body})
	f.Decls = append(head, &ast.Field{Label: ast.NewIdent(name), Value: bound})
	astutil.Resolve(f, func(token.Pos, string, ...any) {})
}
