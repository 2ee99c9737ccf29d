package runtime

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// A record goes through a plugin of scope sample to the processed topic and to the
// store. One that the plugin fails for is a dead letter with its code, and has its
// value there as soon as it is sent again under a plugin that works.
func TestSamplesThroughAPluginToTheStore(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, plugged("quarantine"))
	plug(t, cfg.Policies, "everything.wasm") // it refuses the value 3 and stops with a trap at 4
	r := startInstance(t, cfg)
	base := time.Now().Truncate(time.Second)
	at := base.UnixMilli()
	series := func(user string) string {
		return fmt.Sprintf(`{"__name__":"m","torrent_task_id":"t-1","user":%q}`, user)
	}
	r.publish(t, "flink.native", ofUser("ann", at+10), ofUser("bob", at+3), ofUser("cid", at+4), ofUser("dan", at+20))
	in := r.settled(t, false, "native", 4)
	if in.Dispositions["out"] != 2 || in.Dispositions["quarantined"] != 2 || in.Imbalance != 0 {
		t.Fatalf("%v", in.Dispositions)
	}
	processed := everything(t, r.Status().Brokers, "sluice.processed")
	for i, want := range []string{`"v":10`, `"v":20`} {
		if len(processed) != 2 || !strings.Contains(string(processed[i].Value), want) {
			t.Fatalf("%d records are processed; %d has not %s", len(processed), i, want)
		}
	}
	r.stored(t, "m", base.Add(time.Second), map[string]string{series("ann"): "10", series("dan"): "20"})
	for reason, user := range map[string]string{"plugin-record-failed": "bob", "plugin-trap": "cid"} {
		l := r.letters(t, 1, LetterFilter{Reason: reason})[0]
		if l.Stage != "native" || !strings.Contains(l.Detail, "everything 1.0.0") || !strings.Contains(l.Text, user) {
			t.Errorf("%s: %+v", reason, l)
		}
	}

	before := r.Plugins()
	for range 10 {
		a, err := r.Explain(explain.Question{Series: `m{torrent_task_id="t-1", user="ann"}`, Kind: metric.Gauge.String()})
		if err != nil || len(a.Series) != 1 {
			t.Fatal(a, err)
		}
	}
	if after := r.Plugins(); len(after) != 1 || after[0].Breaker != "closed" || after[0].Calls != before[0].Calls || !reflect.DeepEqual(after[0].Failed, before[0].Failed) {
		t.Errorf("questions are counted as live traffic:\n%+v\nbefore:\n%+v", after, before)
	}

	plug(t, cfg.Policies, "double.wasm")
	if report, err := r.Reload(context.Background()); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	done, err := r.ReplayLetters(context.Background(), Actor{Name: "test"}, ReplayLettersRequest{Filter: LetterFilter{Reason: "plugin-trap"}, Limit: 10, Send: true})
	if err != nil || len(done.Letters) != 1 {
		t.Fatal(done, err)
	}
	in = r.settled(t, false, "native", 5)
	if in.Dispositions["out"] != 3 || in.Dispositions["quarantined"] != 2 || in.Imbalance != 0 {
		t.Errorf("%v", in.Dispositions)
	}
	r.stored(t, "m", base.Add(time.Second), map[string]string{series("ann"): "10", series("dan"): "20", series("cid"): "8"})
	balanced(t, r.Runtime)
}
