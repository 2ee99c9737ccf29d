package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

const (
	collectPath = "/api/v1/collect/" // and the task, percent-encoded

	maxName         = 4096 // bytes of a task or a job name
	compressFrom    = 512  // bytes of a document
	busyRetryAfterS = "5"
)

// collect answers reporters: the control document of their task, or 304 once
// they have waited for another one in vain. It answers at once when stopping ends.
func collect(r *runtime.Runtime, stopping context.Context) echo.HandlerFunc {
	return func(c echo.Context) error {
		task, job, wait, err := collectParams(c.Request().URL)
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		}
		// The server's bound on reading a request would end one that waits.
		if err := http.NewResponseController(c.Response()).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("read deadline: %w", err)
		}
		ctx, cancel := context.WithCancel(c.Request().Context())
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
		known := knownTags(c.Request().Header.Values("If-None-Match"))
		doc, err := r.Collect(ctx, task, job, known, wait)
		if errors.Is(err, runtime.ErrBusy) {
			c.Response().Header().Set("Retry-After", busyRetryAfterS)
			return echo.NewHTTPError(http.StatusServiceUnavailable, err.Error())
		} else if err != nil {
			return err
		}
		h := c.Response().Header()
		h.Set("ETag", `"`+doc.Tag+`"`)
		h.Set("Cache-Control", "private, no-cache")
		h.Set("Vary", "Accept-Encoding")
		if known(doc.Tag) {
			return c.NoContent(http.StatusNotModified)
		}
		body := doc.JSON
		if len(body) >= compressFrom && takesGzip(c.Request().Header.Values("Accept-Encoding")) {
			body = doc.Gzip()
			h.Set("Content-Encoding", "gzip")
		}
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
	}
}

func collectParams(u *url.URL) (task, job string, wait time.Duration, err error) {
	escaped := strings.TrimPrefix(u.EscapedPath(), collectPath)
	if strings.Contains(escaped, "/") {
		return "", "", 0, errors.New("the path has more than a task: write / in a torrent_task_id as %2F")
	}
	if task, err = url.PathUnescape(escaped); err != nil {
		return "", "", 0, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", "", 0, err
	}
	job = query.Get("job")
	switch {
	case task == "":
		return "", "", 0, errors.New("the path lacks the task: " + collectPath + "<torrent_task_id>")
	case len(task) > maxName || len(job) > maxName:
		return "", "", 0, fmt.Errorf("a task or job name of more than %d bytes", maxName)
	case len(query["job"]) > 1:
		return "", "", 0, errors.New("more than one job: ask for each by itself")
	}
	if v := query.Get("wait"); v != "" {
		if wait, err = runtime.ParseDuration(v); err != nil {
			return "", "", 0, fmt.Errorf(`wait: %q is not a duration such as "20s", of at most %v`, v, runtime.MaxCollectWait)
		}
	}
	return task, job, wait, nil
}

// knownTags reads If-None-Match: which tags the asker has.
func knownTags(headers []string) func(tag string) bool {
	tags := map[string]bool{}
	for _, h := range headers {
		for _, tag := range strings.Split(h, ",") {
			tags[strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)] = true
		}
	}
	return func(tag string) bool { return tags[tag] || tags["*"] }
}

// takesGzip reads Accept-Encoding.
func takesGzip(headers []string) bool {
	other := false
	for _, h := range headers {
		for _, coding := range strings.Split(h, ",") {
			name, weight, weighed := strings.Cut(strings.ReplaceAll(coding, " ", ""), ";q=")
			taken := !weighed || strings.Trim(weight, "0.") != ""
			switch name {
			case "gzip":
				return taken
			case "*":
				other = taken
			}
		}
	}
	return other
}
