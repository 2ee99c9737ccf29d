package rest

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// document is an answer that is encoded already, or that has a tag.
type document struct {
	value any    // to encode as JSON, where plain is nil
	plain []byte // JSON
	gzip  func() []byte
	tag   string // of the content; who has it already is answered 304. "": none
	cache string // Cache-Control; "": no-store
}

// lines is an answer of JSON values, one a line, written as they come. What is
// written reaches the asker at the next Flush of w, or when it is much. An error
// before the first write is answered as any other; one behind it ends the answer.
type lines func(ctx context.Context, w lineWriter) error

// lineWriter takes an answer of lines.
type lineWriter interface {
	io.Writer
	Flush() error
}

// linesType is the media type of lines.
const linesType = "application/x-ndjson"

const (
	compressFrom    = 512 // bytes of a document
	busyRetryAfterS = "5"
	writeIdle       = 30 * time.Second // that one write of lines may take
)

// write answers with what an operation returned.
func (o *operation) write(ctx context.Context, c echo.Context, value any) error {
	h := c.Response().Header()
	switch v := value.(type) {
	case nil:
		return c.NoContent(http.StatusNoContent)
	case *document:
		return v.write(c)
	case lines:
		h.Set(echo.HeaderContentType, linesType)
		h.Set("Cache-Control", "no-store")
		if c.Request().Method == http.MethodHead {
			return c.NoContent(http.StatusOK)
		}
		return v.write(ctx, c)
	}
	h.Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, value)
}

func (d *document) write(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	if d.cache != "" {
		h.Set("Cache-Control", d.cache)
	}
	if d.tag != "" {
		h.Set("ETag", `"`+d.tag+`"`)
		if knownTags(c.Request().Header.Values("If-None-Match"))(d.tag) {
			return c.NoContent(http.StatusNotModified)
		}
	}
	if d.plain == nil {
		return c.JSON(http.StatusOK, d.value)
	}
	body := d.plain
	if d.gzip != nil {
		h.Set("Vary", "Accept-Encoding")
		if len(body) >= compressFrom && runtime.AcceptsGzip(c.Request().Header.Values("Accept-Encoding")) {
			body = d.gzip()
			h.Set("Content-Encoding", "gzip")
		}
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
}

func (l lines) write(ctx context.Context, c echo.Context) error {
	h := c.Response().Header()
	h.Set("Vary", "Accept-Encoding")
	w := &lineAnswer{to: c.Response(), control: http.NewResponseController(c.Response())}
	var packed *gzip.Writer
	if runtime.AcceptsGzip(c.Request().Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		packed = gzip.NewWriter(deadlined{w})
		w.packed = packed
	}
	err := l(ctx, w)
	if err != nil && !c.Response().Committed {
		h.Del("Content-Encoding")
		h.Del(echo.HeaderContentType)
		return err
	} else if err != nil {
		return fmt.Errorf("an answer was cut off: %w", err)
	}
	if packed != nil {
		return packed.Close()
	}
	return w.Flush()
}

// lineAnswer is the lineWriter of an answer.
type lineAnswer struct {
	to      io.Writer
	control *http.ResponseController
	packed  *gzip.Writer // nil: plain
}

// Write takes what it is given to the asker, compressed where that was agreed.
func (w *lineAnswer) Write(b []byte) (int, error) {
	if w.packed != nil {
		return w.packed.Write(b)
	}
	return deadlined{w}.Write(b)
}

// Flush sends what was written.
func (w *lineAnswer) Flush() error {
	if w.packed != nil {
		if err := w.packed.Flush(); err != nil {
			return err
		}
	}
	return supported(w.control.Flush())
}

// deadlined gives each write its time: an answer may take long, one that nobody
// reads may not.
type deadlined struct{ w *lineAnswer }

func (d deadlined) Write(b []byte) (int, error) {
	if err := supported(d.w.control.SetWriteDeadline(time.Now().Add(writeIdle))); err != nil {
		return 0, err
	}
	return d.w.to.Write(b)
}

// patient takes the server's bound on reading a request away, once it is read: it
// would end one that waits for its answer.
func patient(c echo.Context) error {
	if err := supported(http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})); err != nil {
		return fmt.Errorf("read deadline: %w", err)
	}
	return nil
}

// supported drops the error of a connection that has no such thing.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
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
