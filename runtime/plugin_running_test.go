package runtime

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pluginMetrics reads the metrics of the plugin "everything", by what is left of their
// names and labels without it.
func (r *instance) pluginMetrics(t testing.TB) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	short := strings.NewReplacer("sluice_plugin_", "", `plugin="everything",`, "", `version="1.0.0"`, "")
	tidy := strings.NewReplacer("{,", "{", ",}", "}", "{}", "")
	out := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(name, "sluice_plugin_") || !strings.Contains(name, `plugin="everything"`) {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(line, err)
		}
		out[tidy.Replace(short.Replace(name+"}"))] = v
	}
	return out
}

// What a plugin does moves each of its metrics.
func TestMetricsOfPlugins(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, plugged("drop"))
	plug(t, cfg.Policies, "everything.wasm")
	r := startInstance(t, cfg)
	at := time.Now().Truncate(time.Second).UnixMilli()
	await := func(want map[string]float64) {
		t.Helper()
		eventually(t, func() string {
			got := r.pluginMetrics(t)
			for name, v := range want {
				if got[name] != v {
					return fmt.Sprintf("%s is %v, must be %v; all: %v", name, got[name], v, got)
				}
			}
			return ""
		})
	}
	// The value of a sample is the last digits of its time.
	for i, user := range []string{"ann", "bob", "cem"} {
		r.publish(t, "flink.native", ofUser(user, at+int64(i)+1))
	}
	await(map[string]float64{
		`records_total{result="in"}`: 3, `records_total{result="dropped"}`: 1, `records_total{result="made"}`: 1, `records_total{result="out"}`: 2,
		`failed_records_total{code="record-failed"}`: 1, `counted_total{counter="seen"}`: 3, "replacements_total": 0, "breaker_open": 0,
	})
	for i := range 5 { // one batch each: the breaker counts them
		r.publish(t, "flink.native", ofUser(fmt.Sprint("dan-", i), at+4))
		await(map[string]float64{`failed_records_total{code="trap"}`: float64(i + 1), "replacements_total": float64(i + 1)})
	}
	await(map[string]float64{`records_total{result="in"}`: 8, `records_total{result="out"}`: 2, `counted_total{counter="seen"}`: 3, "breaker_open": 1})
	got := r.pluginMetrics(t)
	calls := got["calls_total"]
	if calls < 6 || got["call_seconds_count"] != calls || got["call_seconds_sum"] <= 0 || got[`call_seconds_bucket{le="+Inf"}`] != calls {
		t.Errorf("calls and their seconds: %v", got)
	}
	if got["fuel_total"] <= 0 || got["memory_bytes"] <= 0 || got["instances"] < 1 {
		t.Errorf("fuel, memory and instances: %v", got)
	}
}
