package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// call is a request to an operation that has been checked.
type call struct {
	ctx     context.Context // ends when the asker has gone, or the time is over
	runtime *runtime.Runtime
	actor   runtime.Actor

	foreign bool // a page of another site asks, and nobody knows for whom

	params map[string]any // by name; those that were given, or have a default
	body   any            // of the type of the operation's body

	// What the audit says of it, beside what the request shows. A handler that
	// changes something sets them, before it does.
	target string // what is changed, such as "task t-1"; "": what the path carries
	reason string // why, in the words of who asks

	// The revisions that a change of policies led from and to. Not set: those in
	// force before and after the call, which may be of another change meanwhile.
	before, after string
}

// Each of these returns a parameter of one kind, or nothing where it was not given.
func (c *call) text(name string) string            { return param1[string](c, name) }
func (c *call) number(name string) int             { return param1[int](c, name) }
func (c *call) duration(name string) time.Duration { return param1[time.Duration](c, name) }
func (c *call) moment(name string) time.Time       { return param1[time.Time](c, name) }
func (c *call) yes(name string) bool               { return param1[bool](c, name) }
func (c *call) texts(name string) []string         { return param1[[]string](c, name) }

// given reports whether a parameter came or has a default.
func (c *call) given(name string) bool { _, ok := c.params[name]; return ok }

func param1[T any](c *call, name string) (none T) {
	v, ok := c.params[name]
	if !ok {
		return none
	}
	return v.(T)
}

// bodyOf returns what a request carried. T is the type of the operation's body.
func bodyOf[T any](c *call) T { return c.body.(T) }

// read takes a request apart; an error says what is wrong with it.
func (o *operation) read(c echo.Context, asked *call) error {
	req := c.Request()
	asked.params = map[string]any{}
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return wrong("%s", err)
	}
	for name := range query {
		if p := o.param(name); p == nil || p.in != inQuery {
			return o.noParam(name)
		}
	}
	if err := o.compares(req.Header.Values("If-Match")); err != nil {
		return err
	}
	path, err := o.carriedBy(req.URL)
	if err != nil {
		return err
	}
	for i := range o.params {
		p := &o.params[i]
		values := map[place][]string{inQuery: query[p.name], inPath: path[p.name], inHeader: req.Header.Values(p.name)}[p.in]
		v, err := p.parse(values)
		if err != nil {
			return wrong("%s: %s", p.name, err)
		}
		if v != nil {
			asked.params[p.name] = v
		}
	}
	asked.body, err = o.readBody(c)
	return err
}

// compares refuses an If-Match that would not be heeded, such as one whose tag has got
// lost: the change would be made over what nobody has looked at.
func (o *operation) compares(tags []string) error {
	switch {
	case !o.changes || len(tags) == 0:
		return nil
	case o.param("If-Match") == nil:
		return wrong("%s %s does not compare what is in force: it takes no If-Match", o.method, prefix+o.path)
	case len(tags) == 1 && tags[0] == "*":
		return nil
	}
	tag := strings.Trim(strings.TrimPrefix(strings.TrimSpace(tags[0]), "W/"), `"`)
	if len(tags) > 1 || tag == "" || strings.ContainsAny(tag, `",`) {
		return wrong("If-Match: %q is not one tag: send the ETag that was read, or *", strings.Join(tags, ", "))
	}
	return nil
}

func (o *operation) noParam(name string) error {
	var names []string
	for _, p := range o.params {
		if p.in == inQuery {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 {
		return wrong("there is no parameter %q: %s %s takes none", name, o.method, prefix+o.path)
	}
	return wrong("there is no parameter %q: %s %s takes %s", name, o.method, prefix+o.path, strings.Join(names, ", "))
}

// carriedBy returns the parameters that a path carries. It reads the path as it
// was sent: a / in a value is written %2F.
func (o *operation) carriedBy(u *url.URL) (map[string][]string, error) {
	template := strings.Split(o.path, "/")
	parts := strings.SplitN(strings.TrimPrefix(u.EscapedPath(), prefix), "/", len(template))
	out := map[string][]string{}
	for i, part := range template {
		name, ok := carried(part)
		if !ok {
			continue
		}
		if i >= len(parts) || parts[i] == "" {
			return nil, wrong("the path lacks the %s: %s", name, prefix+o.path)
		}
		if strings.Contains(parts[i], "/") {
			return nil, wrong("the path goes on behind the %s: write / in a value as %%2F", name)
		}
		value, err := url.PathUnescape(parts[i])
		if err != nil {
			return nil, wrong("%s: %s", name, err)
		}
		out[name] = []string{value}
	}
	return out, nil
}

// readBody reads what a request carries into a new value of the body's type.
func (o *operation) readBody(c echo.Context) (any, error) {
	if o.body == nil {
		return nil, o.noBody(c)
	}
	if err := isJSON(c.Request().Header.Get(echo.HeaderContentType)); err != nil {
		return nil, err
	}
	most := cmp.Or(o.maxBody, maxBody)
	text, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, most))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body has more than %d bytes", most))
	} else if err != nil {
		return nil, wrong("the body cannot be read: %s", err)
	}
	if _, asItCame := o.body.(json.RawMessage); asItCame {
		return json.RawMessage(text), nil
	}
	if !utf8.Valid(text) {
		return nil, wrong("the body is not UTF-8")
	}
	if string(bytes.TrimSpace(text)) == "null" {
		return nil, o.wrongBody(errors.New("it is null"))
	}
	into := reflect.New(reflect.TypeOf(o.body))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into.Interface()); err != nil {
		return nil, o.wrongBody(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, wrong("the body has more than one value")
	}
	return into.Elem().Interface(), nil
}

// noBody refuses a body where a change takes none, lest what it says be thought done.
func (o *operation) noBody(c echo.Context) error {
	if !o.changes {
		return nil
	}
	if n, _ := io.ReadFull(c.Request().Body, make([]byte, 1)); n > 0 {
		return wrong("%s %s takes no body", o.method, prefix+o.path)
	}
	return nil
}

// isJSON refuses a body that is said to be something else. What curl says of any body is
// let pass; see ownPage.
func isJSON(contentType string) error {
	if contentType == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset := cmp.Or(params["charset"], "utf-8")
	if err != nil || media != echo.MIMEApplicationJSON && media != echo.MIMEApplicationForm || !strings.EqualFold(charset, "utf-8") {
		return refuse(http.StatusUnsupportedMediaType, "media-type", fmt.Sprintf("the body is %.100q; send JSON in UTF-8, with the header Content-Type: application/json", contentType))
	}
	return nil
}

// wrongBody says what is wrong with a body, and shows a right one where that is short.
func (o *operation) wrongBody(err error) error {
	const short = 200
	text := strings.TrimPrefix(err.Error(), "json: ")
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
		text = fmt.Sprintf("%s stands where %s should", kind.Value, article(kind.Type))
		if kind.Field != "" {
			text = kind.Field + ": " + text
		}
	} else if errors.Is(err, io.EOF) {
		text = "it is empty"
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		text = "it ends within a value"
	}
	example, e := json.Marshal(o.body)
	if e != nil || len(example) > short {
		return wrong("the body: %s", text)
	}
	return wrong("the body: %s; write JSON such as %s", text, example)
}

// article names a Go type in the words of JSON.
func article(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Pointer:
		return article(t.Elem())
	}
	return "a number"
}
