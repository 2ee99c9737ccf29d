package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
)

// plugged is a set with a transform whose plugin lies beside it, under a name of the test.
func plugged(onError string) string {
	return simpleSet + fmt.Sprintf(`
	transform: users: schema.#Transform & {match: labels: user: ["?*"], plugin: "./plugins/it.wasm", onError: %q, accept: "loss"}`, onError)
}

// moduleOfTests is a module of the tests of package transform.
func moduleOfTests(t testing.TB, module string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("internal", "transform", "testdata", module))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plug makes a module of the tests the plugin of a set.
func plug(t testing.TB, dir, module string) {
	t.Helper()
	if err := keepFile(filepath.Join(dir, "plugins", "it.wasm"), moduleOfTests(t, module)); err != nil {
		t.Fatal(err)
	}
}

func ofUser(user string, at int64) string {
	return fmt.Sprintf(`{"v":1,"torrent_task_id":"t-1","report_timestamp":%d,"metric":"m","type":"gauge","labels":{"user":%q},"points":[{"v":%d}]}`, at, user, at%1000)
}

// While plugins are swapped, none of what comes is lost, doubled or left as it was.
func TestPluginsAreSwappedUnderLoad(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, plugged("stop"))
	plug(t, cfg.Policies, "rename.wasm")
	r := startInstance(t, cfg)
	first := r.Revision()
	base := time.Now().Add(-10 * time.Minute).UnixMilli()
	stop, published := make(chan struct{}), make(chan int)
	p := publisher(t, r.Status().Brokers)
	go func() {
		n := 0
		for tick := time.NewTicker(time.Millisecond); ; n++ {
			if err := p.Publish(context.Background(), "flink.native", []byte("t-1"), []byte(ofUser(fmt.Sprint("u-", n%7), base+int64(n)))); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				tick.Stop()
				if err := p.Flush(context.Background()); err != nil {
					t.Error(err)
				}
				published <- n + 1
				return
			case <-tick.C:
			}
		}
	}()
	for i := range 10 {
		plug(t, cfg.Policies, []string{"rename2.wasm", "rename.wasm"}[i%2])
		if report, err := r.Reload(context.Background()); err != nil || report.Refused() {
			t.Error(err, report.Findings)
		}
		if again := r.Revision() == first; again != (i%2 == 1) {
			t.Errorf("swap %d: the first revision runs: %t", i, again)
		}
		before := r.Status().Streams["native"].Records
		eventually(t, func() string { // each of them governs some
			if now := r.Status().Streams["native"].Records; now < before+3 {
				return fmt.Sprintf("%d records, %d before the swap", now, before)
			}
			return ""
		})
	}
	close(stop)
	n := <-published
	in := r.settled(t, false, "native", uint64(n))
	if in.Dispositions["out"] != int64(n) || in.Imbalance != 0 {
		t.Errorf("%d published, %+v", n, in.Dispositions)
	}
	seen, by := map[int64]bool{}, map[string]int{}
	for _, rec := range everything(t, r.Status().Brokers, "sluice.processed") {
		var x struct {
			At     int64 `json:"report_timestamp"`
			Labels map[string]string
			End    bool
		}
		if err := json.Unmarshal(rec.Value, &x); err != nil {
			t.Fatal(err)
		}
		if x.End {
			continue
		}
		if seen[x.At] {
			t.Fatalf("%d is there twice", x.At)
		}
		seen[x.At] = true
		switch {
		case x.Labels["who"] != "" && x.Labels["user"]+x.Labels["person"] == "":
			by["1.0.0"]++
		case x.Labels["person"] != "" && x.Labels["user"]+x.Labels["who"] == "":
			by["2.0.0"]++
		default:
			t.Fatalf("neither plugin: %s", rec.Value)
		}
	}
	if len(seen) != n || by["1.0.0"] == 0 || by["2.0.0"] == 0 {
		t.Errorf("%d of %d samples, %v", len(seen), n, by)
	}
	list := r.Plugins()
	if len(list) != 2 || list[0].Version != "1.0.0" || list[0].Calls == 0 || list[1].Calls == 0 || list[0].Breaker != "closed" {
		t.Errorf("%+v", list)
	}
}

// What a plugin fails for is with the dead letters, and goes out when it is sent
// again under a plugin that works.
func TestQuarantineAndReplay(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, plugged("quarantine"))
	plug(t, cfg.Policies, "trap.wasm")
	r := startInstance(t, cfg)
	at := time.Now().UnixMilli()
	r.publish(t, "flink.native", ofUser("ann", at), ofUser("bob", at), flat("t-1", "free", "gauge", at, "1"))
	in := r.settled(t, false, "native", 3)
	if in.Dispositions["quarantined"] != 2 || in.Dispositions["out"] != 1 || in.Imbalance != 0 {
		t.Fatalf("%v", in.Dispositions)
	}
	page, err := r.Letters(context.Background(), LetterFilter{Reason: "plugin-trap"}, "", 10)
	if err != nil || len(page.Items) != 2 || !strings.HasPrefix(page.Items[0].Detail, "plugin trap 1.0.0") {
		t.Fatal(page, err)
	}
	book := r.Ledger()
	text, err := json.Marshal(book)
	if err != nil || !strings.Contains(string(text), `"platform/users"`) {
		t.Errorf("the ledger does not name the transform: %s", text)
	}
	plug(t, cfg.Policies, "rename.wasm")
	if report, err := r.Reload(context.Background()); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	done, err := r.ReplayLetters(context.Background(), Actor{Name: "test"}, ReplayLettersRequest{Filter: LetterFilter{Reason: "plugin-trap"}, Limit: 10, Send: true})
	if err != nil || len(done.Letters) != 2 {
		t.Fatal(done, err)
	}
	in = r.settled(t, false, "native", 5)
	if in.Dispositions["out"] != 3 || in.Dispositions["quarantined"] != 2 || in.Imbalance != 0 {
		t.Errorf("%v", in.Dispositions)
	}
}

// A plugin that cannot be made ready leaves the set before in force, and says why.
func TestAPluginThatDoesNotStartIsRefused(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, plugged("drop"))
	plug(t, cfg.Policies, "rename.wasm")
	r := startInstance(t, cfg)
	before := r.Revision()
	for module, want := range map[string]string{"refuses.wasm": "init: bad-config", "": "not let in"} {
		if module == "" {
			if err := keepFile(filepath.Join(cfg.Policies, "plugins", "it.wasm"), []byte("\x00asm is what it is not")); err != nil {
				t.Fatal(err)
			}
		} else {
			plug(t, cfg.Policies, module)
		}
		report, err := r.Reload(context.Background())
		if err != nil || !report.Refused() || !strings.Contains(firstError(report.Findings), want) || report.Findings[0].Pos.Line == 0 {
			t.Errorf("%s: %v %v", module, report.Findings, err)
		}
		if r.Revision() != before {
			t.Errorf("%s: another revision is in force", module)
		}
	}
}

// Samples go through plugins of scope sample, and a restart without the directory
// finds the plugins of the last good set.
func TestSampleScopeAndLastGood(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, plugged("quarantine"))
	cfg.DataDir, cfg.Probation.For = t.TempDir(), "50ms"
	plug(t, cfg.Policies, "double.wasm")
	at := time.Now().Truncate(time.Second).UnixMilli()
	if !t.Run("doubles", func(t *testing.T) {
		r := startInstance(t, cfg)
		r.awaitPolicies(t, "good", func(p *PolicyStatus) bool { return p.State == PolicyGood && p.LastGood == p.Revision })
		r.publish(t, "flink.native", ofUser("ann", at+7))
		if in := r.settled(t, false, "native", 1); in.Dispositions["out"] != 1 || in.Imbalance != 0 {
			t.Fatalf("%v", in.Dispositions)
		}
		recs := everything(t, r.Status().Brokers, "sluice.processed")
		if len(recs) != 1 || !strings.Contains(string(recs[0].Value), fmt.Sprintf(`"v":%d`, 2*((at+7)%1000))) {
			t.Errorf("%s", recs[0].Value)
		}
	}) {
		return
	}
	if err := os.RemoveAll(cfg.Policies); err != nil {
		t.Fatal(err)
	}
	r := startInstance(t, cfg)
	if p := r.PolicyStatus(); !p.Fallback {
		t.Errorf("%+v\n%s", p, r.log)
	}
	if list := r.Plugins(); len(list) != 1 || list[0].Name != "double" || !list[0].Running {
		t.Errorf("%+v", list)
	}
}

func TestExplainShowsWhatAPluginChanges(t *testing.T) {
	t.Parallel()
	ask := func(module, onError, series string) explain.Explanation {
		dir := writeSet(t, policySet(plugged(onError)))
		plug(t, dir, module)
		a, report, err := Explain(context.Background(), dir, Loading{}, explain.Question{Series: series})
		if err != nil || report.Refused() || len(a.Series) != 1 {
			t.Fatal(err, report.Findings)
		}
		return a.Series[0]
	}
	e := ask("rename.wasm", "quarantine", `m{torrent_task_id="t-1", user="ann"}`)
	if len(e.Rewrites) != 1 || e.Rewrites[0].Plugin == nil || e.Rewrites[0].Plugin.Version != "1.0.0" ||
		strings.Join(e.Rewrites[0].Added, " ") != `who="ann"` || strings.Join(e.Rewrites[0].Removed, " ") != `user="ann"` {
		t.Errorf("%+v", e.Rewrites)
	}
	for onError, want := range map[string]string{"quarantine": "put aside with the dead letters", "drop": "dropped: plugin trap", "stop": "the partition stops"} {
		e := ask("trap.wasm", onError, `m{user="ann"}`)
		if !strings.HasPrefix(e.Decision.Text, want) || e.Decision.Rule != "platform/users" || len(e.Rewrites) != 1 || !strings.HasPrefix(e.Rewrites[0].Failed, "trap") {
			t.Errorf("%s: %+v %+v", onError, e.Decision, e.Rewrites)
		}
	}
	if e := ask("trap.wasm", "pass", `m{user="ann"}`); e.Decision.Disposition != "out" || e.Rewrites[0].Failed == "" {
		t.Errorf("%+v", e)
	}
}
