package scrape

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	contentType = "text/plain; version=0.0.4; charset=utf-8"
	pageBytes   = 32 << 10 // written at once
)

// Handler serves the series to GET and HEAD, gzipped when the client asks for it.
// Families are in the order of their names, series in that of their labels.
func (e *Endpoint) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Vary", "Accept-Encoding")
		zip := AcceptsGzip(r.Header.Values("Accept-Encoding"))
		if zip {
			w.Header().Set("Content-Encoding", "gzip")
		}
		if r.Method == http.MethodHead {
			return
		}
		if !zip {
			_ = e.write(w) // a client that hung up has no use for the error
			return
		}
		z, _ := e.writers.Get().(*gzip.Writer)
		if z == nil {
			z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		}
		defer e.writers.Put(z)
		z.Reset(w)
		if e.write(z) == nil {
			_ = z.Close()
		}
	})
}

// write writes the whole exposition, a page at a time.
func (e *Endpoint) write(w io.Writer) error {
	oldest := e.now() - e.stale
	page := make([]byte, 0, pageBytes+pageBytes/4)
	for _, v := range e.registry.snapshot() {
		header := v.header
		for _, s := range v.slots {
			value, time, ok, expired := s.read(oldest)
			if expired {
				e.exposed.Add(-1)
			}
			if !ok {
				continue
			}
			page = append(page, header...)
			header = "" // only the first exposed series of a family brings it
			page = appendLine(page, s, value, time, e.timestamps)
			if len(page) < pageBytes {
				continue
			}
			if _, err := w.Write(page); err != nil {
				return err
			}
			page = page[:0]
		}
	}
	_, err := w.Write(page)
	return err
}

// AcceptsGzip reports whether Accept-Encoding headers allow gzip (RFC 9110, section
// 12.5.3): listed, or covered by *, and not with q=0.
func AcceptsGzip(headers []string) bool {
	wild := false
	for _, h := range headers {
		for item := range strings.SplitSeq(h, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.TrimSpace(name)
			if !strings.EqualFold(name, "gzip") && name != "*" {
				continue
			}
			ok := true
			if q, found := strings.CutPrefix(strings.TrimSpace(params), "q="); found {
				f, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
				ok = err == nil && f > 0
			}
			if name != "*" {
				return ok
			}
			wild = ok
		}
	}
	return wild
}
