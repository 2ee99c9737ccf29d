package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// explain answers what becomes of a series by the program in force: GET with one
// of series, record, rule and why-not in the query, or POST with a record as body.
func explain(r *runtime.Runtime) echo.HandlerFunc {
	return func(c echo.Context) error {
		q, err := questionOf(c.Request())
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		}
		answer, err := r.Explain(q)
		if err != nil {
			return err
		}
		c.Response().Header().Set("Cache-Control", "no-store")
		return c.JSON(http.StatusOK, answer)
	}
}

func questionOf(req *http.Request) (runtime.Question, error) {
	var q runtime.Question
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return q, err
	}
	record := ""
	fields := map[string]*string{
		"series": &q.Series, "rule": &q.Rule, "why-not": &q.WhyNot, "kind": &q.Kind, "origin": &q.Origin, "record": &record,
	}
	for name, values := range query {
		field := fields[name]
		switch {
		case field == nil:
			return q, fmt.Errorf("there is no parameter %s: ask with series, record, rule or why-not, and kind and origin for a series", name)
		case len(values) > 1:
			return q, fmt.Errorf("more than one %s: ask for each by itself", name)
		}
		*field = values[0]
	}
	if record != "" {
		q.Record = []byte(record)
	}
	if req.Method == http.MethodPost {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return q, err
		}
		if q.Record != nil {
			return q, errors.New("there is a record in the query and one in the body")
		}
		q.Record = body
	}
	return q, nil
}
