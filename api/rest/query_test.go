package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// envelope is an answer of the Prometheus HTTP API.
type envelope struct {
	Status    string          `json:"status"`
	Data      json.RawMessage `json:"data"`
	ErrorType string          `json:"errorType"`
	Error     string          `json:"error"`
	Warnings  []string        `json:"warnings"`
	Infos     []string        `json:"infos"`
}

func decode(t *testing.T, a answered) (e envelope) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	return e
}

// isError checks that an answer is an error as Prometheus has it.
func isError(t *testing.T, a answered, status int, kind, text string) {
	t.Helper()
	e := decode(t, a)
	if a.status != status || e.Status != "error" || e.ErrorType != kind || e.Error == "" || !strings.Contains(e.Error, text) || e.Data != nil {
		t.Errorf("status %d, %s; want %d, %s, %q", a.status, a.body, status, kind, text)
	}
}

// both asks by GET and by POST with a form.
func (s *site) both(t *testing.T, path string, form url.Values, check func(*testing.T, answered)) {
	t.Helper()
	t.Run(fmt.Sprintf("%s?%s", path, form.Encode()), func(t *testing.T) {
		check(t, s.get(t, api+path+"?"+form.Encode()))
		check(t, s.do(t, http.MethodPost, s.url+api+path, strings.NewReader(form.Encode()),
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}))
	})
}

// form is one of name, value, name, value.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		v.Add(pair[0], pair[1])
	}
	return v
}

// data checks that an answer is a success with this data.
func data(want string) func(*testing.T, answered) {
	return func(t *testing.T, a answered) {
		t.Helper()
		e := decode(t, a)
		var got, expected any
		if err := errors.Join(json.Unmarshal(e.Data, &got), json.Unmarshal([]byte(want), &expected)); err != nil {
			t.Fatalf("%v in %s", err, a.body)
		}
		if d := cmp.Diff(expected, got); d != "" || a.status != 200 || e.Status != "success" || e.ErrorType+e.Error != "" {
			t.Errorf("status %d, data (-want +got):\n%s", a.status, d)
		}
	}
}

// queries have answers that do not depend on what was reported.
func (s *site) queries(t *testing.T) {
	for _, c := range []struct {
		path, want string
		form       url.Values
	}{
		{"/query", `{"resultType":"scalar","result":[60,"2"]}`, form("query", "1+1", "time", "60")},
		{"/query", `{"resultType":"scalar","result":[1767323045.25,"+Inf"]}`, form("query", "1/0", "time", "2026-01-02T03:04:05.25Z", "timeout", "5s")},
		{"/query", `{"resultType":"string","result":[60,"a<b>\"&\n"]}`, form("query", `"a<b>\"&\n"`, "time", "60")},
		{"/query", `{"resultType":"vector","result":[{"metric":{},"value":[60,"60"]}]}`, form("query", "vector(time())", "time", "60")},
		{"/query", `{"resultType":"vector","result":[]}`, form("query", "no_such_series")},
		{"/query", `{"resultType":"matrix","result":[]}`, form("query", "no_such_series[5m]")},
		{"/query_range", `{"resultType":"matrix","result":[{"metric":{},"values":[[0,"0"],[30,"30"],[60,"60"]]}]}`, form("query", "time()", "start", "0", "end", "60", "step", "30")},
		{"/query_range", `{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[60,"1"]]}]}`, form("query", "vector(1)", "start", "0", "end", "60", "step", "1m")},
		{"/query_range", `{"resultType":"matrix","result":[{"metric":{},"values":[[5,"1"]]}]}`, form("query", "1", "start", "5", "end", "5", "step", "15")},
		{"/query_range", `{"resultType":"matrix","result":[]}`, form("query", "no_such_series", "start", "0", "end", "11000", "step", "1")},
		{"/series", `[]`, form("match[]", "no_such_series")},
		{"/series", `[]`, form("match[]", "no_such_series", "match[]", `nor{this="one"}`, "start", "0", "end", "60")},
		{"/labels", `[]`, form("match[]", "no_such_series")},
		{"/labels", `[]`, form("start", "0", "end", "60")},
	} {
		s.both(t, c.path, c.form, data(c.want))
	}
	for path, want := range map[string]string{
		"/label/no_such_label/values":                   `[]`,
		"/label/job_name/values?match[]=no_such_series": `[]`,
		"/label/job_name/values?start=0&end=60":         `[]`,
		"/metadata?metric=no_such_metric":               `{}`,
		"/status/buildinfo":                             `{"application":"sluice","revision":"test","version":"` + prometheusVersion + `"}`,
	} {
		data(want)(t, s.get(t, api+path))
	}
}

// into returns the data of a success.
func into[T any](t *testing.T, a answered) (v T, e envelope) {
	t.Helper()
	e = decode(t, a)
	if a.status != http.StatusOK || e.Status != "success" {
		t.Fatalf("status %d, %s", a.status, a.body)
	}
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v, e
}

// values are of series that the job reported.
func (s *site) values(t *testing.T) {
	type result struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Value  [2]any
			Values [][2]any
		}
	}
	const selector = `{__name__=~"flink_.+"}`
	instant, _ := into[result](t, s.get(t, api+"/query?"+form("query", "last_over_time("+selector+"[1h])").Encode()))
	if instant.ResultType != "vector" || len(instant.Result) == 0 {
		t.Fatalf("%+v", instant)
	}
	for _, r := range instant.Result {
		if _, text := r.Value[1].(string); !text || r.Metric["torrent_task_id"] == "" {
			t.Errorf("%+v", r)
		}
	}
	now := time.Now()
	ranged, _ := into[result](t, s.get(t, api+"/query_range?"+form("query", "count("+selector+")", "step", "1",
		"start", now.Add(-time.Minute).Format(time.RFC3339), "end", now.Add(2*time.Second).Format(time.RFC3339)).Encode()))
	if ranged.ResultType != "matrix" || len(ranged.Result) != 1 || len(ranged.Result[0].Values) == 0 {
		t.Errorf("%+v", ranged)
	}
}

func (s *site) browsing(t *testing.T) {
	names, _ := into[[]string](t, s.get(t, api+"/labels"))
	if !slices.Contains(names, "__name__") || !slices.Contains(names, "job_name") || !slices.IsSorted(names) {
		t.Errorf("labels %v", names)
	}
	jobs, _ := into[[]string](t, s.get(t, api+"/label/job_name/values"))
	if len(jobs) != 1 {
		t.Fatalf("jobs %v, want the one", jobs)
	}
	s.both(t, "/series", form("match[]", fmt.Sprintf("{job_name=%q}", jobs[0])), func(t *testing.T, a answered) {
		sets, _ := into[[]map[string]string](t, a)
		if len(sets) == 0 {
			t.Error("the job has no series")
		}
		for _, l := range sets {
			if l["__name__"] == "" || l["job_name"] != jobs[0] {
				t.Errorf("series %v", l)
			}
		}
	})
	families, _ := into[map[string][]struct{ Type, Help, Unit *string }](t, s.get(t, api+"/metadata"))
	if len(families) == 0 {
		t.Error("no metadata")
	}
	for name, f := range families {
		if len(f) != 1 || f[0].Type == nil || *f[0].Type == "" || f[0].Help == nil || f[0].Unit == nil {
			t.Errorf("metadata of %s: %v", name, f)
		}
		one, _ := into[map[string][]struct{ Type string }](t, s.get(t, api+"/metadata?metric="+name))
		if len(one) != 1 || len(one[name]) != 1 || one[name][0].Type != *f[0].Type {
			t.Errorf("metadata of %s alone: %v", name, one)
		}
		break
	}
}

func (s *site) badRequests(t *testing.T) {
	ranged := func(start, end, step string) url.Values {
		return form("query", "1", "start", start, "end", end, "step", step)
	}
	for _, c := range []struct {
		path string
		form url.Values
		text string
	}{
		{"/query", form(), "no expression"},
		{"/query", form("query", ""), "no expression"},
		{"/query", form("query", "sum("), "parse error"},
		{"/query", form("query", "no_such_function(a)"), "unknown function"},
		{"/query", form("query", "a{\xff}"), ""},
		{"/query", form("query", "1", "time", "now"), `"time"`},
		{"/query", form("query", "1", "time", "NaN"), `"time"`},
		{"/query", form("query", "1", "time", "1e300"), `"time"`},
		{"/query", form("query", "1", "timeout", "soon"), `"timeout"`},
		{"/query", form("query", "1", "timeout", "-1"), `"timeout"`},
		{"/query", form("query", "1", "lookback_delta", "x"), `"lookback_delta"`},
		{"/query", form("query", "1", "limit", "-1"), `"limit"`},
		{"/query", form("query", "1", "limit", "many"), `"limit"`},
		{"/query_range", form(), "missing"},
		{"/query_range", ranged("", "60", "1"), `"start"`},
		{"/query_range", ranged("0", "", "1"), `"end"`},
		{"/query_range", ranged("0", "60", ""), `"step"`},
		{"/query_range", ranged("x", "60", "1"), `"start"`},
		{"/query_range", ranged("0", "x", "1"), `"end"`},
		{"/query_range", ranged("0", "60", "x"), `"step"`},
		{"/query_range", ranged("0", "60", "0"), "step"},
		{"/query_range", ranged("0", "60", "0s"), "step"},
		{"/query_range", ranged("0", "60", "-1"), `"step"`},
		{"/query_range", ranged("0", "60", "1e-6"), "step"},
		{"/query_range", ranged("60", "0", "1"), "end timestamp"},
		{"/query_range", ranged("0", "11001", "1"), "11000 points"},
		{"/query_range", ranged("-1e15", "1e15", "1"), "11000 points"},
		{"/query_range", form("query", "a[5m]", "start", "0", "end", "60", "step", "1"), "invalid expression type"},
		{"/query_range", form("start", "0", "end", "60", "step", "1"), "no expression"},
		{"/series", form(), "match[]"},
		{"/series", form("match[]", ""), ""},
		{"/series", form("match[]", "sum(a)"), ""},
		{"/series", form("match[]", "{}"), "at least one"},
		{"/labels", form("match[]", `{a=~".*"}`), "at least one"},
		{"/series", form("match[]", "a", "match[]", "{"), ""},
		{"/series", form("match[]", "a", "start", "x"), `"start"`},
		{"/series", form("match[]", "a", "end", "x"), `"end"`},
		{"/labels", form("match[]", "{"), ""},
		{"/labels", form("start", "x"), `"start"`},
		{"/labels", form("limit", "x"), `"limit"`},
	} {
		s.both(t, c.path, c.form, func(t *testing.T, a answered) { isError(t, a, http.StatusBadRequest, "bad_data", c.text) })
	}
	for path, text := range map[string]string{
		"/label/a/values?match[]={":  "",
		"/label/a/values?start=x":    `"start"`,
		"/label/a/values?end=x":      `"end"`,
		"/label/a/values?limit=-1":   `"limit"`,
		"/label//values":             "label name",
		"/metadata?limit=x":          `"limit"`,
		"/metadata?metric=a&limit=x": `"limit"`,
	} {
		isError(t, s.get(t, api+path), http.StatusBadRequest, "bad_data", text)
	}
}

// limits bound an answer, which then says so, or end in an error of their own.
func (s *site) limits(t *testing.T) {
	const several = `label_replace(vector(1), "a", "1", "", "") or vector(2)`
	s.both(t, "/query", form("query", several, "limit", "1"), func(t *testing.T, a answered) {
		got, e := into[struct{ Result []any }](t, a)
		if len(got.Result) != 1 || len(e.Warnings) != 1 {
			t.Errorf("%d results, warnings %q", len(got.Result), e.Warnings)
		}
	})
	s.both(t, "/labels", form("limit", "1"), func(t *testing.T, a answered) {
		if got, e := into[[]string](t, a); len(got) != 1 || len(e.Warnings) != 1 {
			t.Errorf("labels %q, warnings %q", got, e.Warnings)
		}
	})
	s.both(t, "/query", form("query", `{__name__=~"flink_.+"}`, "timeout", "1e-9"), func(t *testing.T, a answered) {
		isError(t, a, http.StatusServiceUnavailable, "timeout", "")
	})
	s.both(t, "/query", form("query", `vector(1) * on(nosuch) (`+several+`)`), func(t *testing.T, a answered) {
		isError(t, a, http.StatusUnprocessableEntity, "execution", "")
	})
	s.both(t, "/query", form("query", `rate(label_replace(vector(1), "__name__", "lag", "", "")[5m:1m])`), func(t *testing.T, a answered) {
		if _, e := into[any](t, a); len(e.Infos) == 0 {
			t.Errorf("no infos in %s", a.body)
		}
	})
}
