package rest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

var update = flag.Bool("update", false, "write openapi.json as the operations are now")

// The document is made of the table of operations and of the Go types in it; it
// is committed, because the comments of types are not there when a program runs.
func TestDocument(t *testing.T) {
	g := newSchemas()
	text, err := json.MarshalIndent(document31(g), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	for _, complaint := range g.complaints {
		t.Error(complaint)
	}
	if *update {
		if err := os.WriteFile("openapi.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, openAPI) {
		t.Error("openapi.json is not of these operations: go test ./api/rest -run TestDocument -update")
	}
	loaded := loadDocument(t, text)
	if err := loaded.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Errorf("the document is no OpenAPI 3.1: %v", err)
	}
}

func loadDocument(t *testing.T, text []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

type object = map[string]any

func document31(g *schemas) object {
	paths := object{}
	for _, o := range operations() {
		at, ok := paths[prefix+o.path].(object)
		if !ok {
			at = object{}
			paths[prefix+o.path] = at
		}
		at[strings.ToLower(o.method)] = describe(g, &o)
	}
	problem := object{"application/problem+json": object{"schema": g.of(reflect.TypeFor[problemBody](), "problem")}}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":   "Sluice",
			"version": "1",
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What can be asked of an instance. Errors are RFC 9457 problems; their code is what a program goes by. " +
				"An unknown parameter or field is an error. HEAD answers like GET, without the body.",
		},
		"servers": []any{object{"url": "/"}},
		"security": []any{
			object{"bearer": []string{}}, object{"certificate": []string{}}, object{},
		},
		"paths": paths,
		"components": object{
			"schemas":   g.done,
			"responses": object{"Problem": object{"description": "What is wrong, and what to do.", "content": problem}},
			"securitySchemes": object{
				"bearer":      object{"type": "http", "scheme": "bearer", "description": "A token of sluice token new, the one of --listen-token, or a JWT of the OIDC issuer."},
				"certificate": object{"type": "mutualTLS", "description": "A client certificate, where the instance has --listen-client-ca."},
			},
		},
	}
}

func describe(g *schemas, o *operation) object {
	d := object{
		"operationId":   o.id,
		"summary":       o.summary,
		"tags":          []string{strings.Split(o.path, "/")[1]},
		"x-sluice-role": string(o.role),
		"responses":     object{},
	}
	if text := o.about; text != "" {
		d["description"] = text
	}
	var params []any
	for _, p := range o.params {
		params = append(params, describeParam(&p))
		if p.about == "" || p.example == "" {
			g.complain("%s: parameter %s has no description or no example", o.id, p.name)
		}
	}
	if params != nil {
		d["parameters"] = params
	}
	if o.body != nil {
		content := object{"example": o.body, "schema": object{}, "x-sluice-max-bytes": cmp.Or(o.maxBody, maxBody)}
		if _, asItCame := o.body.(json.RawMessage); !asItCame {
			content["schema"] = g.closed(reflect.TypeOf(o.body), o.id)
		}
		d["requestBody"] = object{"required": true, "content": object{"application/json": content}}
	}
	status, answer := "204", object{"description": "Done."}
	if o.answer != nil {
		media := o.media
		if media == "" {
			media = "application/json"
		}
		status, answer = "200", object{"description": o.summary + ".", "content": object{media: object{"schema": g.of(reflect.TypeOf(o.answer), o.id)}}}
	}
	responses := object{status: answer, "default": object{"$ref": "#/components/responses/Problem"}}
	if p := o.param("If-None-Match"); p != nil {
		responses["304"] = object{"description": "What the asker has is in force."}
	}
	d["responses"] = responses
	return d
}

func describeParam(p *param) object {
	schema := object{"type": "string"}
	var example any = p.example
	switch p.kind {
	case number:
		schema = object{"type": "integer", "minimum": p.min}
		if p.max > 0 {
			schema["maximum"] = p.max
		}
		example, _ = strconv.Atoi(p.example)
	case yes:
		schema = object{"type": "boolean"}
		example = p.example == "true"
	case moment:
		schema["format"] = "date-time"
	case duration:
		schema["pattern"] = `^([0-9]+(ms|[smhdwy]))+$`
	case text, texts:
		schema["maxLength"] = p.maxBytes
		if p.maxBytes == 0 {
			schema["maxLength"] = maxText
		}
	}
	if p.choices != nil {
		schema["enum"] = p.choices
	}
	if p.absent != "" {
		if schema["default"] = p.absent; p.kind == number {
			schema["default"], _ = strconv.Atoi(p.absent)
		}
	}
	if p.kind == texts {
		schema = object{"type": "array", "items": schema}
		example = []string{p.example}
	}
	return object{
		"name": p.name, "in": string(p.in), "required": p.required || p.in == inPath,
		"description": p.about, "schema": schema, "example": example,
	}
}

// The rows of the table are complete, and no two are for the same.
func TestOperations(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range operations() {
		for _, key := range []string{o.id, o.method + " " + o.path} {
			if seen[key] {
				t.Errorf("%s is there twice", key)
			}
			seen[key] = true
		}
		if !o.role.Known() || o.summary == "" || strings.HasSuffix(o.summary, ".") || o.handle == nil || !strings.HasPrefix(o.path, "/") {
			t.Errorf("%s: role %q, summary %q", o.id, o.role, o.summary)
		}
		if o.changes && o.method == http.MethodGet || !o.changes && slices.Contains([]string{"PUT", "DELETE", "PATCH"}, o.method) {
			t.Errorf("%s: %s and changes is %t", o.id, o.method, o.changes)
		}
		for _, part := range strings.Split(o.path, "/") {
			if name, ok := carried(part); ok && (o.param(name) == nil || o.param(name).in != inPath) {
				t.Errorf("%s: the parameter %s of the path is not described", o.id, name)
			}
		}
		for _, p := range o.params {
			if p.in == inPath && !strings.Contains(o.path, "{"+p.name+"}") {
				t.Errorf("%s: the path has no parameter %s", o.id, p.name)
			}
			if v, err := p.parse([]string{p.example}); err != nil || v == nil {
				t.Errorf("%s: the example of %s: %v", o.id, p.name, err)
			}
			if _, err := p.parse(nil); err != nil && !p.required && p.in != inPath {
				t.Errorf("%s: %s not given: %v", o.id, p.name, err)
			}
		}
	}
}

func TestParameters(t *testing.T) {
	hour := param{name: "for", kind: duration, example: "10m", min: int64(time.Second), max: int64(time.Hour)}
	for _, c := range []struct {
		p      param
		values []string
		want   any
		err    string
	}{
		{param{kind: text}, []string{"a"}, "a", ""},
		{param{kind: text}, []string{""}, nil, ""},
		{param{kind: text, absent: "x"}, nil, "x", ""},
		{param{kind: text, required: true, example: "t-1"}, nil, nil, `missing; write a text such as "t-1"`},
		{param{kind: text}, []string{"a", "b"}, nil, "there is more than one: ask for each by itself"},
		{param{kind: text}, []string{strings.Repeat("ä", maxText/2) + "x"}, nil, "more than 4096 bytes"},
		{param{kind: text, maxBytes: 2}, []string{"abc"}, nil, "more than 2 bytes"},
		{param{kind: text, choices: []string{"a", "b"}}, []string{"c"}, nil, `"c" is none of a, b`},
		{param{kind: texts}, []string{"a", "b"}, []string{"a", "b"}, ""},
		{param{kind: texts, choices: []string{"a"}}, []string{"a", "b"}, nil, `"b" is none of a`},
		{param{kind: number, example: "5"}, []string{"7"}, 7, ""},
		{param{kind: number, example: "5"}, []string{"-1"}, nil, `"-1" is not a whole number such as "5", of at least 0`},
		{param{kind: number, example: "5", min: 1, max: 9}, []string{"10"}, nil, `"10" is not a whole number such as "5", from 1 to 9`},
		{param{kind: number, example: "5"}, []string{"1e3"}, nil, `"1e3" is not a whole number such as "5", of at least 0`},
		{param{kind: number, example: "5"}, []string{"99999999999999999999"}, nil, `"99999999999999999999" is not a whole number such as "5", of at least 0`},
		{hour, []string{"1h"}, time.Hour, ""},
		{hour, []string{"1h1s"}, nil, `"1h1s" is not a duration such as "10m", from 1s to 1h0m0s`},
		{hour, []string{"0s"}, nil, `"0s" is not a duration such as "10m", from 1s to 1h0m0s`},
		{hour, []string{"soon"}, nil, `"soon" is not a duration such as "10m", from 1s to 1h0m0s`},
		{param{kind: moment}, []string{"2026-01-02T03:04:05Z"}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ""},
		{param{kind: moment, example: "2026-01-02T03:04:05Z"}, []string{"now"}, nil, `"now" is not a time such as "2026-01-02T03:04:05Z"`},
		{param{kind: yes}, []string{"true"}, true, ""},
		{param{kind: yes, example: "true"}, []string{"1"}, nil, `"1" is not true or false, such as "true"`},
	} {
		got, err := c.p.parse(c.values)
		if text := fmt.Sprint(err); err == nil && c.err != "" || err != nil && text != c.err {
			t.Errorf("%s %.20q: error %v, want %s", c.p.kind, c.values, err, c.err)
		}
		if c.err == "" && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %.20q: %v, want %v", c.p.kind, c.values, got, c.want)
		}
	}
}
