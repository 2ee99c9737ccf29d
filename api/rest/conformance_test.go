package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime"
)

// TestConformance walks the document and calls every operation: as its examples
// have it, and in every way that the document says is wrong. Answers are held
// against the document.
func TestConformance(t *testing.T) {
	s := start(t)
	x := &conformance{site: s, doc: loadDocument(t, openAPI), handler: s.asRoles(t)}
	for path, item := range x.doc.Paths.Map() {
		for method, o := range item.Operations() {
			t.Run(o.OperationID, func(t *testing.T) { x.operation(t, method, path, o) })
		}
		t.Run("methods of "+path, func(t *testing.T) { x.methods(t, path, item) })
	}
	refused := 0
	for _, e := range s.instance.AuditTrail(runtime.AuditFilter{}) {
		if saidOnce(t, e.Error); e.Error != "" {
			refused++
		}
	}
	if refused == 0 {
		t.Error("the audit has nothing that was refused")
	}
}

type conformance struct {
	*site
	doc     *openapi3.T
	handler http.Handler
}

const (
	roleHeader = "X-Test-Role"
	teamHeader = "X-Test-Team"
)

// asRoles answers who says that it has a role as who has it, and others not at all.
func (s *site) asRoles(t *testing.T) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = problem(discard())
	e.Use(secure, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			role := runtime.Role(c.Request().Header.Get(roleHeader))
			if role == "" {
				return echo.NewHTTPError(http.StatusUnauthorized, "a bearer token is needed")
			}
			setActor(c, runtime.Actor{Name: "tester", Role: role, Teams: c.Request().Header[teamHeader]})
			return next(c)
		}
	})
	routes(e, &server{s.instance, t.Context(), discard(), newDenials(s.instance, discard())})
	return e
}

// request is one that an operation answers.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         string
}

func (r request) clone() request {
	r.query, r.header = maps.Clone(r.query), r.header.Clone()
	return r
}

// examples change what the examples of the document ask for where that is not
// there in every instance, or make it be there.
var examples = map[string]func(*testing.T, *conformance, *request){
	"getShortID": func(t *testing.T, x *conformance, r *request) {
		r.path = prefix + "/short-ids/" + x.shortID(t)
	},
	"endOverride": func(t *testing.T, x *conformance, r *request) {
		header := r.header.Clone()
		header.Set("Content-Type", "application/json")
		x.call(request{method: http.MethodPost, path: prefix + "/overrides", header: header, body: `{"kind":"step","target":"P1","for":"1h","reason":"to be ended"}`})
	},
	"getTask": func(t *testing.T, x *conformance, r *request) {
		header := r.header.Clone()
		header.Set("Content-Type", "application/json")
		x.call(request{method: http.MethodPost, path: prefix + "/overrides", header: header, body: `{"kind":"task","target":"t-1","for":"1h","reason":"to be seen","unseen":true}`})
	},
	"explain":          only("rule"),
	"explainRecord":    only(""),
	"setCanary":        withCandidate(false),
	"promoteCanary":    withCandidate(true),
	"abortCanary":      withCandidate(true),
	"startShadow":      withCandidate(false),
	"validatePolicies": withCandidate(false),
	"planPolicies":     withCandidate(false),
	"endShadow":        withShadow,
	"getCollect":       func(_ *testing.T, _ *conformance, r *request) { r.query.Set("wait", "1ms") },
	"applyPolicies": func(t *testing.T, x *conformance, r *request) {
		text, err := json.Marshal(runtime.ApplyRequest{Files: x.files(t), Reason: "as it is"})
		if err != nil {
			t.Fatal(err)
		}
		r.body = string(text)
	},
	"rollBackPolicies": func(t *testing.T, x *conformance, _ *request) {
		for _, description := range []string{"one", "two"} {
			files := x.files(t)
			files["more.cue"] = "package policies\n\nimport \"github.com/sluice-metrics/sluice/schema\"\n\npolicy: control: more: schema.#Drop & " +
				"{description: \"" + description + "\", reason: \"for the test\", tier: \"tenant\", match: metrics: [\"none\"]}\n"
			if _, err := x.instance.Apply(t.Context(), runtime.Actor{}, runtime.ApplyRequest{Files: files}); err != nil {
				t.Fatal(err)
			}
		}
	},
	"diffPolicies": only(""),
	"pushPlugin":   func(t *testing.T, _ *conformance, r *request) { r.body = pushed(t, renamePlugin(t)) },
	"getPlugin":    withPlugin,

	"getPluginModule": withPlugin,

	"deletePlugin": withPlugin,
}

// withPlugin makes the plugin be there.
func withPlugin(t *testing.T, x *conformance, r *request) {
	header := r.header.Clone()
	header.Set("Content-Type", "application/json")
	w := x.call(request{method: http.MethodPost, path: prefix + "/plugins", header: header, body: pushed(t, renamePlugin(t))})
	var p runtime.StoredPlugin
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Digest == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	module := ""
	if strings.HasSuffix(r.path, "/module") {
		module = "/module"
	}
	r.path = prefix + "/plugins/" + url.PathEscape(p.Digest) + module
}

// files are those of the policies that the instance was started with.
func (x *conformance) files(t *testing.T) map[string]string {
	t.Helper()
	files, root := map[string]string{}, policies.FS
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".cue" {
			return err
		}
		text, err := fs.ReadFile(root, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// only leaves one parameter in a query.
func only(name string) func(*testing.T, *conformance, *request) {
	return func(_ *testing.T, _ *conformance, r *request) {
		maps.DeleteFunc(r.query, func(k string, _ []string) bool { return k != name })
	}
}

func (x *conformance) call(r request) *httptest.ResponseRecorder {
	target := r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req := httptest.NewRequest(r.method, target, strings.NewReader(r.body))
	req.Header = r.header
	w := httptest.NewRecorder()
	x.handler.ServeHTTP(w, req)
	return w
}

// example is the request that the document shows.
func (x *conformance) example(t *testing.T, method, path string, o *openapi3.Operation) request {
	t.Helper()
	r := request{method: method, path: path, query: url.Values{}, header: http.Header{roleHeader: {string(runtime.RoleAdmin)}}}
	for _, ref := range o.Parameters {
		p := ref.Value
		if p.Example == nil {
			t.Fatalf("parameter %s has no example", p.Name)
		}
		values, many := p.Example.([]any)
		if !many {
			values = []any{p.Example}
		}
		for _, v := range values {
			text := fmt.Sprint(v)
			switch p.In {
			case "path":
				r.path = strings.ReplaceAll(r.path, "{"+p.Name+"}", url.PathEscape(text))
			case "query":
				r.query.Add(p.Name, text)
			case "header":
				r.header.Add(p.Name, text)
			}
		}
	}
	if o.RequestBody != nil {
		media := o.RequestBody.Value.Content["application/json"]
		if media == nil || media.Example == nil {
			t.Fatal("the body has no example")
		}
		text, err := json.Marshal(media.Example)
		if err != nil {
			t.Fatal(err)
		}
		r.body = string(text)
		r.header.Set("Content-Type", "application/json")
	}
	if edit := examples[o.OperationID]; edit != nil {
		edit(t, x, &r)
	}
	return r
}

func (x *conformance) operation(t *testing.T, method, path string, o *openapi3.Operation) {
	good := x.example(t, method, path, o)
	answer := x.call(good)
	if answer.Code >= 300 {
		t.Fatalf("the example is answered %d %s", answer.Code, answer.Body)
	}
	x.isAsDescribed(t, o, answer)
	if method == http.MethodGet {
		head := good.clone()
		head.method = http.MethodHead
		if w := x.call(head); w.Code != answer.Code || w.Header().Get("Content-Type") != answer.Header().Get("Content-Type") {
			t.Errorf("HEAD: %d %s", w.Code, w.Header())
		}
	}
	refused := func(what string, status int, edit func(*request)) {
		t.Helper()
		bad := good.clone()
		edit(&bad)
		w := x.call(bad)
		if w.Code != status {
			t.Errorf("%s: %d %.300s, want %d", what, w.Code, w.Body, status)
		}
		x.isAsDescribed(t, o, w)
	}
	refused("no token", 401, func(r *request) { r.header.Del(roleHeader) })
	refused("a role that is none", 403, func(r *request) { r.header.Set(roleHeader, "root") })
	least := slices.Index(runtime.Roles(), runtime.Role(o.Extensions["x-sluice-role"].(string)))
	for _, role := range runtime.Roles()[:least] {
		refused("the role "+string(role), 403, func(r *request) { r.header.Set(roleHeader, string(role)) })
	}
	refused("an unknown parameter", 400, func(r *request) { r.query.Set("no-such", "1") })
	for _, ref := range o.Parameters {
		x.wrongParameter(t, ref.Value, refused)
	}
	if o.RequestBody != nil {
		x.wrongBody(t, o.RequestBody.Value.Content["application/json"], good, refused)
	}
	if x.changes(o) {
		if o.RequestBody == nil {
			refused("a body", 400, func(r *request) { r.body = "{}" })
		}
		if o.Parameters.GetByInAndName("header", "If-Match") == nil {
			refused("If-Match", 400, func(r *request) { r.header.Set("If-Match", "*") })
		} else {
			for _, tag := range []string{"", `"`, `""`, `W/""`, `"a", "b"`} {
				refused("If-Match "+tag, 400, func(r *request) { r.header.Set("If-Match", tag) })
			}
		}
	}
	if method != http.MethodGet {
		refused("a page of another site", 403, func(r *request) { r.header.Set("Sec-Fetch-Site", "cross-site") })
		refused("a page of another origin", 403, func(r *request) { r.header.Set("Origin", "http://evil.example") })
	}
}

// changes reports whether an operation changes something.
func (x *conformance) changes(o *openapi3.Operation) bool {
	return slices.ContainsFunc(operations(), func(known operation) bool { return known.id == o.OperationID && known.changes })
}

func (x *conformance) wrongParameter(t *testing.T, p *openapi3.Parameter, refused func(string, int, func(*request))) {
	t.Helper()
	schema := p.Schema.Value
	set := func(value string) func(*request) {
		return func(r *request) {
			switch p.In {
			case "query":
				r.query.Set(p.Name, value)
			case "header":
				r.header.Set(p.Name, value)
			}
		}
	}
	if p.In == "path" {
		return // what a path carries is a name: one that is not there is 404
	}
	if schema.Type.Is("array") {
		schema = schema.Items.Value
	} else if p.In == "query" {
		refused(p.Name+" twice", 400, func(r *request) { r.query[p.Name] = []string{"a", "b"} })
	}
	if schema.MaxLength != nil {
		refused(p.Name+" too long", 400, set(strings.Repeat("x", int(*schema.MaxLength)+1)))
	}
	if !schema.Type.Is("string") || schema.Format != "" || schema.Pattern != "" || len(schema.Enum) > 0 {
		refused(p.Name+" that is none", 400, set("no-such"))
		refused(p.Name+" below 0", 400, set("-1"))
	}
	if schema.Max != nil {
		refused(p.Name+" too large", 400, set(fmt.Sprint(int64(*schema.Max)+1)))
	}
}

func (x *conformance) wrongBody(t *testing.T, media *openapi3.MediaType, good request, refused func(string, int, func(*request))) {
	t.Helper()
	body := func(text string) func(*request) { return func(r *request) { r.body = text } }
	refused("no body", 400, body(""))
	refused("a body that is no JSON", 400, body("{"))
	refused("a list for an object", 400, body("[]"))
	refused("null", 400, body("null"))
	for _, media := range []string{"text/plain", "application/xml", "application/json; charset=utf-16", "garbage;;;"} {
		refused("a body that is said to be "+media, 415, func(r *request) { r.header.Set("Content-Type", media) })
	}
	refused("a body that is too large", 413, body(strings.Repeat(" ", int(media.Extensions["x-sluice-max-bytes"].(float64))+1)))
	if media.Schema.Ref == "" {
		return // anything may be in it: the operation says what is wrong
	}
	refused("a body that is not UTF-8", 400, body(strings.Replace(good.body, `":"`, "\":\"\xff", 1)))
	refused("two bodies", 400, body(good.body+good.body))
	refused("an unknown field", 400, body(strings.Replace(good.body, "{", `{"no-such":1,`, 1)))
	for name, ref := range media.Schema.Value.Properties {
		var fields map[string]any
		if err := json.Unmarshal([]byte(good.body), &fields); err != nil {
			t.Fatal(err)
		}
		fields[name] = []any{map[string]any{}}
		if ref.Value.Type.Is("array") || ref.Value.Type == nil {
			fields[name] = "no-such"
		}
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		refused("a wrong "+name, 400, body(string(text)))
	}
}

// isAsDescribed holds an answer against the document.
func (x *conformance) isAsDescribed(t *testing.T, o *openapi3.Operation, w *httptest.ResponseRecorder) {
	t.Helper()
	described := o.Responses.Status(w.Code)
	if described == nil {
		if described = o.Responses.Default(); w.Code < 400 {
			t.Errorf("the document has no answer %d", w.Code)
			return
		}
	}
	body := w.Body.Bytes()
	if w.Code >= 400 {
		isProblem(t, w.Code, w.Header(), string(body), "")
	}
	if len(described.Value.Content) == 0 {
		if len(body) > 0 {
			t.Errorf("%d has a body: %s", w.Code, body)
		}
		return
	}
	media, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	content := described.Value.Content[media]
	if err != nil || content == nil {
		t.Errorf("%d is %s, which the document does not have", w.Code, w.Header().Get("Content-Type"))
		return
	}
	d := json.NewDecoder(bytes.NewReader(body))
	for n := 0; ; n++ {
		var value any
		if err := d.Decode(&value); err == io.EOF {
			if n == 0 || n > 1 && media != linesType {
				t.Errorf("%d has %d values", w.Code, n)
			}
			return
		} else if err != nil {
			t.Errorf("%d: %v in %.300s", w.Code, err, body)
			return
		}
		if err := content.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors()); err != nil {
			t.Errorf("%d is not as the document has it: %v", w.Code, err)
			return
		}
	}
}

// methods asks for what a path does not offer.
func (x *conformance) methods(t *testing.T, path string, item *openapi3.PathItem) {
	for name, parameter := range map[string]string{"{task}": "t-1", "{id}": "x", "{name}": "x"} {
		path = strings.ReplaceAll(path, name, parameter)
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "NOSUCH"} {
		if item.GetOperation(strings.ToUpper(method)) != nil && method != "NOSUCH" {
			continue
		}
		w := x.call(request{method: method, path: path, header: http.Header{roleHeader: {string(runtime.RoleAdmin)}}})
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
		isProblem(t, w.Code, w.Header(), w.Body.String(), "")
	}
}

// shortID returns an identifier that the instance has given out.
func (x *conformance) shortID(t *testing.T) string {
	t.Helper()
	var vertices struct{ Data []string }
	x.await(t, "short identifier", func() bool {
		err := json.Unmarshal([]byte(x.get(t, api+"/label/vertex/values").body), &vertices)
		return err == nil && len(vertices.Data) > 0
	})
	return vertices.Data[0]
}
