package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/sluice-metrics/sluice/runtime"
)

// query serves the part of the Prometheus HTTP API that a data source needs:
// https://prometheus.io/docs/prometheus/latest/querying/api/.
func query(g *echo.Group, r *runtime.Runtime) {
	bounded := middleware.BodyLimit(fmt.Sprint(maxBody))
	get := func(path string, h echo.HandlerFunc) {
		g.GET(path, h, bounded)
		g.HEAD(path, h, bounded)
	}
	both := func(path string, ask asking) {
		h := answer(r, ask)
		get(path, h)
		g.POST(path, h, bounded)
	}
	both("/query", instant)
	both("/query_range", ranged)
	both("/series", series)
	both("/labels", labels)
	get("/label/:name/values", answer(r, labelValues))
	get("/metadata", answer(r, metadata))
	get("/status/buildinfo", func(c echo.Context) error {
		return c.JSON(http.StatusOK, reply{Status: "success", Data: map[string]string{
			"version": prometheusVersion, "application": "sluice", "revision": r.Status().Version,
		}})
	})
}

// prometheusVersion is the version of the query language that is spoken; Grafana
// chooses by it what it asks.
const prometheusVersion = "3.15.0"

// asking answers one request from the store.
type asking func(c echo.Context, s *runtime.Store) (data any, warnings []string, err error)

// reply is the envelope of the Prometheus HTTP API.
type reply struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Infos     []string `json:"infos,omitempty"`
}

// badParameter is a request parameter that cannot be read.
type badParameter struct {
	name string
	err  error
}

func (e *badParameter) Error() string { return fmt.Sprintf("invalid parameter %q: %v", e.name, e.err) }

func answer(r *runtime.Runtime, ask asking) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := c.FormParams(); err != nil { // which FormValue would keep to itself
			var tooLarge *echo.HTTPError
			if errors.As(err, &tooLarge) {
				return tooLarge
			}
			return refuseQuery(c, &badParameter{"form", err})
		}
		store, err := r.Store()
		if err != nil {
			return refuseQuery(c, err)
		}
		data, warnings, err := ask(c, store)
		if err != nil {
			return refuseQuery(c, err)
		}
		ok := reply{Status: "success", Data: data, Warnings: warnings}
		if res, evaluated := data.(*runtime.QueryResult); evaluated {
			ok.Infos = res.Infos
		}
		return c.JSON(http.StatusOK, ok)
	}
}

// refuseQuery answers an error in the terms of the Prometheus HTTP API.
func refuseQuery(c echo.Context, err error) error {
	status, kind := http.StatusUnprocessableEntity, "execution"
	var failed *runtime.QueryError
	var bad *badParameter
	switch {
	case errors.As(err, &bad):
		status, kind = http.StatusBadRequest, "bad_data"
	case errors.Is(err, runtime.ErrNoStore):
		status, kind = http.StatusNotFound, "not_found"
	case errors.Is(err, runtime.ErrNotReady):
		status, kind = http.StatusServiceUnavailable, "unavailable"
	case errors.As(err, &failed):
		status, kind = queryStatus(failed), failed.Kind.String()
	}
	return c.JSON(status, reply{Status: "error", ErrorType: kind, Error: err.Error()})
}

func queryStatus(e *runtime.QueryError) int {
	switch e.Kind {
	case runtime.QueryBad:
		return http.StatusBadRequest
	case runtime.QueryTimeout:
		return http.StatusServiceUnavailable
	case runtime.QueryCanceled:
		return statusGone
	case runtime.QueryInternal:
		return http.StatusInternalServerError
	}
	return http.StatusUnprocessableEntity
}

func instant(c echo.Context, s *runtime.Store) (any, []string, error) {
	at, err := timeParam(c, "time", time.Now())
	if err != nil {
		return nil, nil, err
	}
	limits, err := limitParams(c)
	if err != nil {
		return nil, nil, err
	}
	res, err := s.Query(c.Request().Context(), c.FormValue("query"), at, limits)
	if err != nil {
		return nil, nil, err
	}
	return res, res.Warnings, nil
}

func ranged(c echo.Context, s *runtime.Store) (any, []string, error) {
	start, err1 := timeParam(c, "start", time.Time{})
	end, err2 := timeParam(c, "end", time.Time{})
	step, err3 := durationParam(c, "step")
	limits, err4 := limitParams(c)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"start", "end", "step"} {
		if c.FormValue(name) == "" {
			return nil, nil, &badParameter{name, errors.New("missing")}
		}
	}
	res, err := s.QueryRange(c.Request().Context(), c.FormValue("query"), start, end, step, limits)
	if err != nil {
		return nil, nil, err
	}
	return res, res.Warnings, nil
}

// selection is what the endpoints about series and labels have in common.
type selection struct {
	matchers   []string
	start, end time.Time
	limit      int
}

// The earliest and the latest time there is, for those who give none.
var (
	minTime = time.UnixMilli(math.MinInt64 / 1000)
	maxTime = time.UnixMilli(math.MaxInt64 / 1000)
)

func selectionParams(c echo.Context) (selection, error) {
	start, err1 := timeParam(c, "start", minTime)
	end, err2 := timeParam(c, "end", maxTime)
	limit, err3 := numberParam(c, "limit")
	return selection{c.Request().Form["match[]"], start, end, limit}, errors.Join(err1, err2, err3)
}

func series(c echo.Context, s *runtime.Store) (any, []string, error) {
	q, err := selectionParams(c)
	if err != nil {
		return nil, nil, err
	}
	return orNone(s.Series(c.Request().Context(), q.matchers, q.start, q.end, q.limit))
}

func labels(c echo.Context, s *runtime.Store) (any, []string, error) {
	q, err := selectionParams(c)
	if err != nil {
		return nil, nil, err
	}
	return orNone(s.LabelNames(c.Request().Context(), q.matchers, q.start, q.end, q.limit))
}

func labelValues(c echo.Context, s *runtime.Store) (any, []string, error) {
	q, err := selectionParams(c)
	if err != nil {
		return nil, nil, err
	}
	return orNone(s.LabelValues(c.Request().Context(), c.Param("name"), q.matchers, q.start, q.end, q.limit))
}

func metadata(c echo.Context, s *runtime.Store) (any, []string, error) {
	limit, err := numberParam(c, "limit")
	if err != nil {
		return nil, nil, err
	}
	return s.Metadata(c.FormValue("metric"), limit), nil, nil
}

// orNone makes an empty list of no list: clients expect [].
func orNone[T any](list []T, warnings []string, err error) (any, []string, error) {
	if list == nil {
		list = []T{}
	}
	return list, warnings, err
}

func limitParams(c echo.Context) (runtime.QueryLimits, error) {
	timeout, err1 := durationParam(c, "timeout")
	lookback, err2 := durationParam(c, "lookback_delta")
	limit, err3 := numberParam(c, "limit")
	return runtime.QueryLimits{Timeout: timeout, Lookback: lookback, Series: limit}, errors.Join(err1, err2, err3)
}

// timeParam reads Unix seconds or RFC 3339.
func timeParam(c echo.Context, name string, absent time.Time) (time.Time, error) {
	v := c.FormValue(name)
	if v == "" {
		return absent, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
		return t, nil
	}
	seconds, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/1e3 {
		return absent, &badParameter{name, fmt.Errorf("%q is neither Unix seconds nor RFC 3339", v)}
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(part*1000))*int64(time.Millisecond)), nil
}

// durationParam reads seconds or a Prometheus duration such as 1h30m.
func durationParam(c echo.Context, name string) (time.Duration, error) {
	v := c.FormValue(name)
	if v == "" {
		return 0, nil
	}
	if seconds, err := strconv.ParseFloat(v, 64); err == nil {
		if d := seconds * float64(time.Second); d > 0 && d < math.MaxInt64 {
			return time.Duration(d), nil
		}
		return 0, &badParameter{name, fmt.Errorf("%q is not a duration above 0", v)}
	}
	d, err := runtime.ParseDuration(v)
	if err != nil {
		return 0, &badParameter{name, err}
	}
	return d, nil
}

func numberParam(c echo.Context, name string) (int, error) {
	v := c.FormValue(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, &badParameter{name, fmt.Errorf("%q is not a whole number", v)}
	}
	return n, nil
}

var _ json.Marshaler = (*runtime.QueryResult)(nil)
