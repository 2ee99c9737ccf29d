package rest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// trafficType is the media type of a file of traffic: one JSON object a line.
const trafficType = "application/x-ndjson"

// traffic answers with the series that came of late, line by line as they are
// read. An answer that was cut off lacks its last line.
func traffic(r *runtime.Runtime) echo.HandlerFunc {
	return func(c echo.Context) error {
		since, limit, err := trafficParams(c)
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		}
		h := c.Response().Header()
		h.Set(echo.HeaderContentType, trafficType)
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(c.Request().Header.Values("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			w := gzip.NewWriter(c.Response())
			if err = r.Traffic(c.Request().Context(), w, since, limit); err == nil {
				return w.Close()
			}
		} else if err = r.Traffic(c.Request().Context(), c.Response(), since, limit); err == nil {
			return nil
		}
		if c.Response().Committed {
			return fmt.Errorf("traffic: %w", err)
		}
		h.Del("Content-Encoding")
		if errors.Is(err, runtime.ErrBusy) || errors.Is(err, runtime.ErrNotReady) {
			h.Set("Retry-After", busyRetryAfterS)
			return echo.NewHTTPError(http.StatusServiceUnavailable, err.Error())
		}
		return err
	}
}

func trafficParams(c echo.Context) (since time.Duration, limit uint64, err error) {
	since = runtime.TrafficSince
	if v := c.QueryParam("since"); v != "" {
		if since, err = runtime.ParseDuration(v); err != nil || since <= 0 || since > runtime.MaxTrafficSince {
			return 0, 0, fmt.Errorf(`since: %q is not a duration such as "10m", of at most %v`, v, runtime.MaxTrafficSince)
		}
	}
	if v := c.QueryParam("limit"); v != "" {
		if limit, err = strconv.ParseUint(v, 10, 32); err != nil || limit == 0 {
			return 0, 0, fmt.Errorf("limit: %q is not a number of series", v)
		}
	}
	return since, limit, nil
}

// bundle answers with the policy set in force.
func bundle(r *runtime.Runtime) echo.HandlerFunc {
	return func(c echo.Context) error {
		text, err := r.Bundle()
		if err != nil {
			return err
		}
		c.Response().Header().Set("Cache-Control", "no-cache")
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, text)
	}
}
