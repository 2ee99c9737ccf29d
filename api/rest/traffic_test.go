package rest

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime"
)

func TestTraffic(t *testing.T) {
	s := start(t)
	a := s.get(t, "/api/v1/traffic")
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != linesType || len(lines) < 10 {
		t.Fatalf("%d %s: %d lines", a.status, a.header, len(lines))
	}
	if !strings.HasPrefix(lines[0], `{"sluice_traffic":1,"version":"test",`) || !strings.Contains(lines[0], s.instance.Status().Revision) {
		t.Errorf("header %s", lines[0])
	}
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"end":{"series":`) || !strings.HasSuffix(last, `"leftOut":0}}`) {
		t.Errorf("end %s", last)
	}
	for _, l := range lines[1 : len(lines)-1] {
		var series struct {
			Task, Name string
			Labels     map[string]string
			Samples    int
			Bytes      int
		}
		if err := json.Unmarshal([]byte(l), &series); err != nil || series.Task == "" || series.Labels["torrent_task_id"] != series.Task || series.Samples < 1 || series.Bytes < 1 {
			t.Fatalf("%s: %v", l, err)
		}
	}
	// What one reads is what the other makes a plan of.
	if done, err := runtime.Record(io.Discard, []runtime.TrafficSource{{Name: "here", In: strings.NewReader(a.body)}}, runtime.RecordOptions{}); err != nil || done.Series != uint64(len(lines)-2) {
		t.Errorf("%+v, error %v", done, err)
	}

	one := s.get(t, "/api/v1/traffic?since=30m&limit=1").body
	if n := strings.Count(one, "\n"); n != 3 || strings.Contains(one, `"leftOut":0`) {
		t.Errorf("limited to one series: %s", one)
	}
	packed := s.do(t, http.MethodGet, s.url+"/api/v1/traffic?limit=2", nil, http.Header{"Accept-Encoding": {"gzip"}})
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || strings.Count(string(text), "\n") != 4 || packed.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip: %s, error %v", text, err)
	}
	for _, wrong := range []string{"since=soon", "since=0s", "since=2h", "limit=0", "limit=-1", "limit=all", "limit=99999999999"} {
		if a := s.get(t, "/api/v1/traffic?"+wrong); a.status != http.StatusBadRequest || !strings.Contains(a.body, wrong[:5]) {
			t.Errorf("%s: %d %s", wrong, a.status, a.body)
		}
	}
	bundle := s.get(t, "/api/v1/policies/bundle")
	var b struct{ Digest string }
	if err := json.Unmarshal([]byte(bundle.body), &b); err != nil || b.Digest != s.instance.Status().Revision {
		t.Errorf("bundle %.80s, error %v", bundle.body, err)
	}
	for _, path := range []string{"/api/v1/traffic", "/api/v1/policies/bundle"} {
		if a := s.do(t, http.MethodGet, s.guarded+path, nil, nil); a.status != http.StatusUnauthorized {
			t.Errorf("%s without the token: %d", path, a.status)
		}
		if a := s.do(t, http.MethodGet, s.guarded+path, nil, http.Header{"Authorization": {"Bearer " + token}}); a.status != http.StatusOK {
			t.Errorf("%s with the token: %d", path, a.status)
		}
	}
}
