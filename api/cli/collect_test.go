package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// A cluster without jobs, asked as a user asks it.
func TestCollectOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := map[string]string{
			"/overview": `{"taskmanagers":1,"slots-total":4,"flink-version":"2.1.0"}`, "/jobs/overview": `{"jobs":[]}`, "/taskmanagers": `{"taskmanagers":[]}`,
		}[r.URL.Path]
		if !ok || r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		io.WriteString(w, answer)
	}))
	defer server.Close()
	t.Setenv("FLINK_TOKEN", "s3cret")
	var out, errOut bytes.Buffer
	code := Main([]string{"collect", "--once", "--no-host", "--flink", server.URL, "--flink-token", "env://FLINK_TOKEN"}, nil, &out, &errOut)
	if code != exitOK || errOut.Len() > 0 {
		t.Errorf("exit code %d: %s", code, &errOut)
	}
	for _, want := range []string{`"metric":"up".*"v":1`, `"metric":"slots".*"v":4`, `"metric":"version".*"t":"2\.1\.0"`, `"metric":"_report"`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
	if strings.Contains(out.String()+errOut.String(), "s3cret") {
		t.Error("the token is told")
	}
}
