package rest

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// index is the page at /: what there is to ask, and how the instance is.
func index(r *runtime.Runtime) echo.HandlerFunc {
	return func(c echo.Context) error {
		s := r.Status()
		in, out := runtime.Total(s.Streams), runtime.Total(s.Sinks)
		state := "ready"
		if !s.Ready {
			state = s.Waiting
		}
		rows := [][2]string{
			{"state", state}, {"version", s.Version}, {"policies", s.Policies}, {"revision", fmt.Sprintf("%.12s", s.Revision)},
			{"records in", fmt.Sprint(in.Records)},
			{"samples in", fmt.Sprint(in.SamplesIn)}, {"samples out", fmt.Sprint(in.Dispositions["out"])},
			{"series in", fmt.Sprint(in.SeriesIn)}, {"series out", fmt.Sprint(in.SeriesOut)},
			{"ledger imbalance", fmt.Sprint(in.Imbalance + out.Imbalance)},
		}
		rows = append(rows, besides(&s)...)
		var b strings.Builder
		b.WriteString(pageHead)
		for _, row := range rows {
			fmt.Fprintf(&b, "<tr><th scope=row>%s<td>%s", html.EscapeString(row[0]), html.EscapeString(row[1]))
		}
		b.WriteString("</table><h2>Ask</h2><ul>")
		links := append([]string{"/metrics", "/healthz", "/readyz"}, r.ScrapePaths()...)
		for _, l := range append(links, "/prometheus/api/v1/labels") {
			fmt.Fprintf(&b, `<li><a href="%[1]s">%[1]s</a>`, html.EscapeString(l))
		}
		b.WriteString("</ul><p>Grafana: a Prometheus data source with the URL of this page and /prometheus.")
		b.WriteString("<h2>Operations</h2><p>OpenAPI: <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a><table>")
		for _, o := range operations() {
			b.WriteString(o.row())
		}
		b.WriteString("</table>")
		return c.HTML(http.StatusOK, b.String())
	}
}

// besides says what is not as it is most of the time.
func besides(s *runtime.Status) (rows [][2]string) {
	if r := s.Policy.Refused; r != nil {
		rows = append(rows, [2]string{"refused policies", r.Error})
	}
	if x := s.Rollout; x != nil && x.Canary != nil && x.Canary.Ended == "" {
		rows = append(rows, [2]string{"canary", fmt.Sprintf("%.12s", x.Canary.Revision)})
	}
	if n := len(s.Overrides); n > 0 {
		rows = append(rows, [2]string{"overrides", fmt.Sprint(n)})
	}
	if s.Degrade != nil && s.Degrade.Step != "P0" {
		rows = append(rows, [2]string{"step of degradation", s.Degrade.Step})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Streams)) {
		if h := s.Streams[name]; h.State != "" {
			rows = append(rows, [2]string{"not read", name + " is " + h.State})
		}
	}
	return rows
}

// row is an operation in the table of the page: a link where it changes nothing and its
// path carries no parameter. What the query must have, the link has an example of.
func (o *operation) row() string {
	text := html.EscapeString(prefix + o.path)
	text = strings.ReplaceAll(text, "/", "/<wbr>") // a narrow window breaks it there
	query := url.Values{}
	for _, p := range o.params {
		if p.in == inQuery && (p.required || p.linked) {
			query.Set(p.name, p.example)
		}
	}
	for i, name := range slices.Sorted(maps.Keys(query)) {
		text += html.EscapeString([]string{"?", "&"}[min(i, 1)] + name + "=…")
	}
	if o.method == http.MethodGet && !strings.Contains(o.path, "{") {
		to := url.URL{Path: prefix + o.path, RawQuery: query.Encode()}
		text = fmt.Sprintf(`<a href="%s">%s</a>`, html.EscapeString(to.String()), text)
	}
	return fmt.Sprintf("<tr><th scope=row>%s<td class=path>%s<br><small>%s</small><td class=role>%s", o.method, text, html.EscapeString(o.summary), o.role)
}

const pageHead = `<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Sluice</title><style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:46rem;margin:3rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem}th{text-align:left;font-weight:400;opacity:.7;padding-right:2rem;white-space:nowrap;vertical-align:top}td{vertical-align:top;padding-right:1.5rem}small{opacity:.7}
table{margin-left:-2px}td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}td.path{overflow-wrap:break-word}td.role{white-space:nowrap;padding-right:0;opacity:.7}a{color:inherit}
@media(max-width:36rem){body{margin:1.5rem auto}th,td{padding-right:.75rem}ul{padding-left:1.25rem}}</style>
<h1>Sluice</h1><p>governs the metrics of Apache Flink fleets.<table>`
