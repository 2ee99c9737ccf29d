package runtime

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// A plugin that is only tried changes nothing; what it would have done is counted, and
// told by the status, the metrics and explanations.
func TestAPluginIsTried(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, strings.Replace(plugged("quarantine"), "accept:", "shadow: 1, accept:", 1))
	plug(t, cfg.Policies, "double.wasm")
	r := startInstance(t, cfg)
	at := time.Now().UnixMilli()
	r.publish(t, "flink.native", ofUser("ann", at), ofUser("bob", at), flat("t-1", "free", "gauge", at, "1"))
	if in := r.settled(t, false, "native", 3); in.Dispositions["out"] != 3 || in.Imbalance != 0 {
		t.Fatalf("%v", in.Dispositions)
	}
	for _, rec := range everything(t, r.Status().Brokers, "sluice.processed") {
		if strings.Contains(string(rec.Value), fmt.Sprintf(`"v":%d`, 2*(at%1000))) && at%1000 > 1 {
			t.Errorf("it is changed: %s", rec.Value)
		}
	}
	list := r.Plugins()
	if len(list) != 1 || list[0].Tried == nil || list[0].Tried.Samples != 2 || list[0].Tried.Failed+list[0].Tried.Dropped+list[0].Tried.Made != 0 {
		t.Fatalf("%+v", list)
	}
	var page bytes.Buffer
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	page.Write(w.Body.Bytes())
	for result, n := range map[string]uint64{"changed": list[0].Tried.Changed, "unchanged": 2 - list[0].Tried.Changed, "dropped": 0} {
		if want := fmt.Sprintf("sluice_plugin_tried_records_total{plugin=\"double\",result=%q,version=\"1.0.0\"} %d", result, n); !strings.Contains(page.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	a, err := r.Explain(explain.Question{Series: `m{torrent_task_id="t-1", user="ann"}`, Kind: metric.Gauge.String()})
	if err != nil || len(a.Series) != 1 || len(a.Series[0].Rewrites) != 1 {
		t.Fatal(a, err)
	}
	if s := a.Series[0].Rewrites[0]; s.Shadow != 1 || s.Tried == nil || s.Tried.Samples != 2 {
		t.Errorf("%+v", s)
	}
}

// A shadow of a set with another plugin says what comes out of it otherwise.
func TestAShadowWithPlugins(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, plugged("quarantine"))
	plug(t, cfg.Policies, "rename.wasm")
	r := startInstance(t, cfg)
	at := time.Now().UnixMilli()
	r.publish(t, "flink.native", ofUser("ann", at), ofUser("bob", at), flat("t-1", "free", "gauge", at, "1"))
	r.settled(t, false, "native", 3)
	second := moduleOfTests(t, "rename2.wasm")
	p, err := r.PushPlugin(context.Background(), pusher, second)
	if err != nil {
		t.Fatal(err)
	}
	q := ShadowRequest{Candidate: Candidate{
		Files: map[string]string{"policy.cue": policySet(plugged("quarantine"))}, Plugins: map[string]string{"plugins/it.wasm": p.Digest}, Reason: "for the test",
	}}
	if _, report, err := r.Shadow(context.Background(), pusher, q); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	var s *ShadowStatus
	eventually(t, func() string {
		if s = r.Rollout().Shadow; s.Passes == 0 {
			return "no pass"
		}
		return ""
	})
	if len(s.Transforms) != 1 || s.Transforms[0].Otherwise != 2 || s.Transforms[0].Before.Version != "1.0.0" || s.Transforms[0].After.Version != "2.0.0" ||
		s.Transforms[0].After.Calls != 2 || s.Transforms[0].After.Fuel == 0 {
		t.Errorf("%+v", s.Transforms)
	}
	again, err := r.Plan(context.Background(), PlanRequest{Files: q.Files, Plugins: q.Plugins, Since: time.Hour})
	if err != nil || len(again.Transforms) != 1 || again.Transforms[0].Otherwise != 2 || again.Transforms[0].After.Fuel != s.Transforms[0].After.Fuel {
		t.Errorf("the plan: %+v, %v", again, err)
	}
}
