package rest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// schemas makes JSON schemas of Go types, and describes them by their comments.
type schemas struct {
	done       object // by name
	names      map[string]reflect.Type
	packages   map[string]*comments // by import path
	complaints []string
}

// comments are what the sources of a package say of its types.
type comments struct {
	types  map[string]string
	fields map[string]string   // Type.Field
	values map[string][]string // of a type whose constants are strings
}

func newSchemas() *schemas {
	return &schemas{done: object{}, names: map[string]reflect.Type{}, packages: map[string]*comments{}}
}

func (g *schemas) complain(format string, args ...any) {
	g.complaints = append(g.complaints, fmt.Sprintf(format, args...))
}

// closed is the schema of a body: it may have no other fields.
func (g *schemas) closed(t reflect.Type, at string) object {
	s := g.of(t, at)
	if ref, ok := s["$ref"].(string); ok {
		named := g.done[ref[strings.LastIndex(ref, "/")+1:]].(object)
		named["additionalProperties"] = false
		if t.Kind() == reflect.Struct {
			for _, f := range reflect.VisibleFields(t) {
				g.closed(f.Type, at+"."+f.Name)
			}
		}
	}
	return s
}

// of is the schema of a type. at says where it was met.
func (g *schemas) of(t reflect.Type, at string) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{}
	case t == reflect.TypeFor[[]byte]():
		return object{"type": "string", "contentEncoding": "base64"}
	case t == reflect.TypeFor[time.Duration]():
		g.complain("%s is a time.Duration, which is nanoseconds in JSON: write a text or seconds", at)
	case has[json.Marshaler](t):
		g.complain("%s: %s makes its own JSON, so nothing is known of it", at, t)
	case has[encoding.TextMarshaler](t):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem(), at)
	case reflect.Struct:
		return g.named(t, at)
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": g.of(t.Elem(), at+"[]")}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.of(t.Elem(), at+"[]")}
	case reflect.Interface:
		return object{}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		s := object{"type": "string"}
		if t.PkgPath() != "" {
			if values := g.about(t.PkgPath()).values[t.Name()]; values != nil {
				s["enum"] = values
			}
		}
		return s
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	}
	g.complain("%s: %s is no JSON", at, t)
	return object{}
}

func has[T any](t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[T]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[T]())
}

// named is a reference to the schema of a struct, which is made when it is first met.
func (g *schemas) named(t reflect.Type, at string) object {
	name := schemaName(t)
	ref := object{"$ref": "#/components/schemas/" + name}
	if other, ok := g.names[name]; ok {
		if other != t {
			g.complain("%s: %s and %s have one name", at, other, t)
		}
		return ref
	}
	g.names[name] = t
	properties, required := object{}, []string{}
	g.fields(t, properties, &required)
	s := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	if text := g.about(t.PkgPath()).types[plainName(t)]; text != "" {
		s["description"] = text
	} else {
		g.complain("%s: %s has no comment", at, t)
	}
	g.done[name] = s
	return ref
}

func (g *schemas) fields(t reflect.Type, into object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && tag == "":
			g.fields(f.Type, into, required)
			continue
		case tag == "":
			tag = f.Name
		}
		at := t.String() + "." + f.Name
		s := g.of(f.Type, at)
		text := g.about(t.PkgPath()).fields[plainName(t)+"."+f.Name]
		if of := elementOf(f.Type); text == "" && of.Kind() == reflect.Struct && of.PkgPath() != "time" {
			text = g.about(of.PkgPath()).types[plainName(of)]
		}
		if text == "" {
			g.complain("%s has no comment: say what it means, in what unit", at)
		}
		s["description"] = text
		into[tag] = s
		switch {
		case strings.Contains(options, "omit"):
			continue
		case f.Type.Kind() == reflect.Pointer:
			into[tag] = object{"anyOf": []any{g.of(f.Type, at), object{"type": "null"}}, "description": text}
		}
		*required = append(*required, tag)
	}
}

func elementOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}

// plainName is the name of a type without its parameters.
func plainName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

// schemaName is the name in the document: Page[…/runtime.Task] is PageOfTask.
func schemaName(t reflect.Type) string {
	name, of, generic := strings.Cut(t.Name(), "[")
	name = strings.ToUpper(name[:1]) + name[1:]
	if generic {
		of = strings.TrimSuffix(of, "]")
		name += "Of" + of[strings.LastIndex(of, ".")+1:]
	}
	return name
}

const modulePath = "github.com/sluice-metrics/sluice/"

// about reads the comments of a package of ours.
func (g *schemas) about(path string) *comments {
	if c := g.packages[path]; c != nil {
		return c
	}
	c := &comments{types: map[string]string{}, fields: map[string]string{}, values: map[string][]string{}}
	g.packages[path] = c
	names, err := filepath.Glob(filepath.Join("..", "..", strings.TrimPrefix(path, modulePath), "*.go"))
	if err != nil || len(names) == 0 {
		g.complain("package %s has no sources: %v", path, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") && path != "" {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			g.complain("%s: %v", name, err)
			continue
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				c.declared(d)
			}
		}
	}
	return c
}

func (c *comments) declared(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			c.types[s.Name.Name] = textOf(s.Doc, d.Doc)
			if of, ok := s.Type.(*ast.StructType); ok {
				for _, f := range of.Fields.List {
					for _, name := range f.Names {
						c.fields[s.Name.Name+"."+name.Name] = textOf(f.Doc, f.Comment)
					}
				}
			}
		case *ast.ValueSpec:
			of, ok := s.Type.(*ast.Ident)
			if !ok || d.Tok != gotoken.CONST {
				continue
			}
			for _, v := range s.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == gotoken.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil {
						c.values[of.Name] = append(c.values[of.Name], text)
					}
				}
			}
		}
	}
}

func textOf(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
			return text
		}
	}
	return ""
}
