package policy

import (
	"cmp"
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"slices"
	"time"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/confine"
)

// configWork is the config of a transform, and the schema that its plugin has for it:
// CUE, the fields of a struct. Both are of others.
type configWork struct {
	Schema string          `json:"schema"`
	Config json.RawMessage `json:"config"`
}

// configOutcome is what is known of a config once it was checked.
type configOutcome struct {
	Config  json.RawMessage `json:"config,omitempty"` // complete
	Wrong   []configFault   `json:"wrong,omitempty"`
	Limited bool            `json:"limited,omitempty"` // it met the limits
}

// configFault is what is wrong with a config, or with its schema.
type configFault struct {
	Path    []string `json:"path,omitempty"` // within the config
	Message string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`
}

// configLimits bound the check of one config.
var configLimits = Limits{CPU: 2 * time.Second, Wall: 5 * time.Second, Memory: 256 << 20}

// Bounds of the schema of a plugin's config, and of what is said about one config.
const (
	maxConfigSchema = 64 << 10
	maxConfigFaults = 8
)

// judgeConfig checks a config here, or in the child process that the options name.
func (o *Options) judgeConfig(ctx context.Context, work configWork) (configOutcome, error) {
	if o.Child == nil {
		return checkConfig(work), nil
	}
	if len(o.Child.Command) == 0 {
		return configOutcome{}, stderrors.New("check the config of a plugin: no command for the child process")
	}
	limits := configLimits
	limits.Wall = min(limits.Wall, cmp.Or(o.Child.Limits.Wall, limits.Wall))
	request, err := json.Marshal(childRequest{Config: &work, Limits: limits})
	if err != nil {
		return configOutcome{}, fmt.Errorf("check the config of a plugin: %w", err)
	}
	out, told := confine.Capped{Left: maxSetBytes}, &progress{other: confine.Capped{Left: maxTold}}
	err = (&confine.Work{Command: o.Child.Command, Limits: limits, In: request, Out: &out, Told: told}).Run(ctx)
	if met := (*confine.MetError)(nil); stderrors.As(err, &met) {
		return configOutcome{Limited: true, Wrong: []configFault{{
			Message: fmt.Sprintf("its schema takes more %s than it may: %s", met.What, met.Limit),
			Hint:    "look in the schema of the plugin for lists, texts or comprehensions that grow without bound",
		}}}, nil
	} else if err != nil {
		return configOutcome{}, fmt.Errorf("check the config of a plugin: %w", err)
	}
	var a childAnswer
	if err := unmarshalStrict(out.Bytes(), &a); err != nil || a.Config == nil {
		return configOutcome{}, fmt.Errorf("check the config of a plugin: answer of the child process: %w", cmp.Or(err, stderrors.New(a.Fault)))
	}
	return *a.Config, nil
}

// Names of the file that holds the schema of a plugin, and of its fields.
const (
	configFile  = "config schema of the plugin"
	configField = "config"

	configDefinition = "#SluicePluginConfig"
)

// checkConfig evaluates a config together with its schema, in this process.
func checkConfig(work configWork) configOutcome {
	bad := func(message string) configOutcome {
		return configOutcome{Wrong: []configFault{{Message: "its schema for the config is wrong: " + message, Hint: "this is for the author of the plugin to mend: config in its manifest"}}}
	}
	if len(work.Schema) > maxConfigSchema {
		return bad(fmt.Sprintf("it has more than %d KiB", maxConfigSchema>>10))
	}
	s, found := parse(configFile, []byte(work.Schema))
	if s == nil {
		return bad(found[0].Message)
	}
	if found := vetConstructs(s); len(found) > 0 {
		return bad(found[0].Message)
	}
	config, err := parser.ParseExpr("config", []byte(work.Config))
	if err != nil {
		return bad("the config cannot be read")
	}
	fixed := hasFixedFields(s.file)
	e, err := evaluate([]*ast.File{closeConfig(s.file, config)}, field(configField))
	if err != nil {
		return bad(err.Error())
	}
	if len(e.wrong) > 0 {
		if fixed {
			definition := e.pkg.LookupPath(cue.MakePath(cue.Def(configDefinition)))
			e.wrong = append(e.wrong, unknownFields(definition, config, []string{configField})...)
		}
		return configOutcome{Wrong: configFaults(e.wrong)}
	}
	text, err := e.value.MarshalJSON()
	if err != nil {
		return bad("it leaves the config incomplete")
	}
	return configOutcome{Config: text}
}

// closeConfig makes a file that unifies a config with a schema, whose fields stand
// at the top of a file: no others are let in.
func closeConfig(schema *ast.File, config ast.Expr) *ast.File {
	head := []ast.Decl{&ast.Package{Name: ast.NewIdent(packageName)}}
	var body []ast.Decl
	for _, d := range schema.Decls {
		switch d.(type) {
		case *ast.Package, *ast.Attribute:
		case *ast.ImportDecl:
			head = append(head, d)
		default:
			body = append(body, d)
		}
	}
	schema.Decls = append(head,
		&ast.Field{Label: ast.NewIdent(configDefinition), Value: &ast.StructLit{Elts: body}},
		&ast.Field{Label: ast.NewIdent(configField), Value: ast.NewBinExpr(token.AND, ast.NewIdent(configDefinition), config)})
	astutil.Resolve(schema, func(token.Pos, string, ...any) {})
	return schema
}

// hasFixedFields reports whether which fields a schema has does not depend on values:
// it has neither comprehensions nor indices.
func hasFixedFields(schema *ast.File) bool {
	fixed := true
	ast.Walk(schema, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.Comprehension, *ast.IndexExpr:
			fixed = false
		}
		return fixed
	}, nil)
	return fixed
}

// unknownFields finds fields of a config that its schema has no place for. CUE does
// not tell them as long as a value is wrong. Where a schema has alternatives it
// depends on the others, and nothing is said.
func unknownFields(schema cue.Value, config ast.Expr, at []string) (out []errors.Error) {
	s, isStruct := config.(*ast.StructLit)
	if op, _ := schema.Expr(); !isStruct || op == cue.OrOp || schema.IncompleteKind() != cue.StructKind {
		return nil
	}
	for _, d := range s.Elts {
		f, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, _, err := ast.LabelName(f.Label)
		if err != nil {
			continue
		}
		path := append(slices.Clip(at), name)
		if !schema.Allows(cue.Str(name)) {
			out = append(out, &absent{errors.Newf(token.NoPos, "field not allowed"), path})
			continue
		}
		for _, sel := range []cue.Selector{cue.Str(name), cue.Str(name).Optional(), cue.Str(name).Required()} {
			if inner := schema.LookupPath(cue.MakePath(sel)); inner.Exists() {
				out = append(out, unknownFields(inner, f.Value, path)...)
				break
			}
		}
	}
	return out
}

// configFaults says what CUE finds wrong, once for each place.
func configFaults(wrong []errors.Error) (out []configFault) {
	seen := map[string]bool{}
	for _, e := range wrong {
		path := e.Path()
		if i := slices.Index(path, configField); i >= 0 {
			path = path[i+1:]
		} else if len(path) > 0 {
			path = path[1:]
		}
		if at := pathString(path); !seen[at] && len(out) < maxConfigFaults {
			seen[at] = true
			format, args := e.Msg()
			message := diag.Mask(fmt.Sprintf(format, args...))
			if at != "" {
				message = at + ": " + message
			}
			out = append(out, configFault{Path: path, Message: message, Hint: "the schema is shown by `sluice plugin inspect`"})
		}
	}
	return out
}
