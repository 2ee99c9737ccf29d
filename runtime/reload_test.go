package runtime

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// dropping is a set that drops one metric and keeps the rest, by rules whose
// order differs with the metric.
func dropping(metric string) string {
	return simpleSet + fmt.Sprintf(`
	control: "drop-%[1]s": schema.#Drop & {description: "for the test", reason: "for the test", tier: "tenant", match: metrics: ["%[1]s"]}
	control: "before": schema.#Keep & {description: "for the test", tier: "guard", match: metrics: ["%[1]s_not"]}
	rewrite: "who": schema.#SetLabel & {description: "for the test", match: metrics: ["*"], label: "by", value: "%[1]s"}`, metric)
}

// rewriteSet changes the set on disk that an instance was started with, in one step: one
// that is slow to write is not read half.
func rewriteSet(t *testing.T, cfg Config, text string) {
	t.Helper()
	name := filepath.Join(cfg.Policies, "policy.cue")
	if err := errors.Join(os.WriteFile(name+"~", []byte(text), 0o600), os.Rename(name+"~", name)); err != nil {
		t.Fatal(err)
	}
}

func never(string) bool { return false }

func rulesOf(t *testing.T, d *Document) (ids []string, revision string) {
	t.Helper()
	var doc struct {
		Revision string
		Rules    []struct{ ID, Do string }
	}
	if err := json.Unmarshal(d.JSON, &doc); err != nil {
		t.Fatalf("%v: %s", err, d.JSON)
	}
	for _, r := range doc.Rules {
		ids = append(ids, r.ID+" "+r.Do)
	}
	return ids, doc.Revision
}

func TestReload(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r := startInstance(t, cfg)
	now := time.Now().Truncate(time.Millisecond)
	send := func(at time.Time) {
		r.publish(t, "flink.native", flat("t-1", "a", "gauge", at.UnixMilli(), "1"), flat("t-1", "b", "gauge", at.UnixMilli(), "2"))
	}
	series := func(name, by string) string {
		return fmt.Sprintf(`{"__name__":%q,"by":%q,"torrent_task_id":"t-1"}`, name, by)
	}
	send(now.Add(-2 * time.Second))
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{series("b", "a"): "2"})

	first, err := r.Collect(context.Background(), "t-1", "", never, 0)
	if err != nil {
		t.Fatal(err)
	}
	ids, revision := rulesOf(t, first)
	if want := []string{"platform/before keep", "platform/drop-a drop"}; !slices.Equal(ids, want) || revision != r.Status().Revision {
		t.Errorf("document %s, want rules %v of revision %s", first.JSON, want, r.Status().Revision)
	}
	changed := make(chan *Document)
	go func() {
		d, _ := r.Collect(context.Background(), "t-1", "", func(tag string) bool { return tag == first.Tag }, time.Hour)
		changed <- d
	}()

	before := r.Status().Revision
	rewriteSet(t, cfg, policySet(dropping("b")))
	report, err := r.Reload(context.Background())
	if err != nil || report.Refused() || report.Revision == before || r.Status().Revision != report.Revision {
		t.Fatalf("error %v, report %+v, revision %s", err, report, r.Status().Revision)
	}
	if ids, revision := rulesOf(t, <-changed); !slices.Contains(ids, "platform/drop-b drop") || revision != report.Revision {
		t.Errorf("who waited got rules %v of revision %s", ids, revision)
	}
	send(now)
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{series("a", "b"): "1"})
	in := r.settled(t, false, "native", 4)
	for _, want := range []RuleCount{{"platform/drop-a", "dropped", 1}, {"platform/drop-b", "dropped", 1}} {
		if !slices.Contains(in.Rules, want) {
			t.Errorf("rules %v, want %v among them", in.Rules, want)
		}
	}
	balanced(t, r.Runtime)
}

func TestReloadRefuses(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r := startInstance(t, cfg)
	before := r.Status().Revision
	for name, tt := range map[string]struct{ text, want string }{
		"no CUE":     {"package policies\npolicy: {", ""},
		"wrong word": {policySet(strings.Replace(dropping("a"), `tier: "tenant"`, `tier: "boss"`, 1)), ""},
		"no stream":  {policySet(storeSink), "no stream, so there is nothing to read"},
		"no sink":    {policySet(nativeStream), "no sink, so there is nowhere to write"},
	} {
		rewriteSet(t, cfg, tt.text)
		report, err := r.Reload(context.Background())
		if tt.want == "" && (err != nil || !report.Refused()) {
			t.Errorf("%s: error %v, findings %v", name, err, report.Findings)
		}
		if tt.want != "" && (!errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
		if now := r.Status().Revision; now != before {
			t.Fatalf("%s: revision %s runs, want %s", name, now, before)
		}
	}
	if err := os.RemoveAll(cfg.Policies); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reload(context.Background()); !errors.Is(err, ErrConfig) {
		t.Errorf("without a directory: error %v", err)
	}
	now := time.Now().Truncate(time.Millisecond)
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", now.UnixMilli(), "1"), flat("t-1", "b", "gauge", now.UnixMilli(), "2"))
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{`{"__name__":"b","by":"a","torrent_task_id":"t-1"}`: "2"})
}

// What is equal is not put in force again: reporters that wait go on waiting.
func TestReloadOfTheSame(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r, _, err := New(context.Background(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rev := r.rev.Load()
	if _, err := r.Reload(context.Background()); err != nil || r.rev.Load() != rev {
		t.Errorf("error %v, or the same set is another revision", err)
	}
	rewriteSet(t, cfg, policySet(dropping("a")+"\n\tcontrol: \"z\": schema.#Keep & {description: \"for the test\", tier: \"default\", enabled: false, match: metrics: [\"*\"]}"))
	if _, err := r.Reload(context.Background()); err != nil || r.rev.Load() == rev {
		t.Errorf("error %v, or a changed set is not in force", err)
	}
}

func TestCollectWaits(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r, _, err := New(context.Background(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := r.Collect(context.Background(), "t-1", "pay", never, time.Hour) // who knows nothing does not wait
	if err != nil {
		t.Fatal(err)
	}
	known := func(tag string) bool { return tag == doc.Tag }
	if same, err := r.Collect(context.Background(), "t-1", "pay", known, time.Millisecond); err != nil || same != doc {
		t.Errorf("after waiting: %v, error %v", same, err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if same, err := r.Collect(ended, "t-1", "pay", known, time.Hour); err != nil || same != doc {
		t.Errorf("of an asker who has gone: %v, error %v", same, err)
	}
	r.waiting.Store(maxCollectWaiting)
	if _, err := r.Collect(context.Background(), "t-1", "pay", known, time.Hour); !errors.Is(err, ErrBusy) {
		t.Errorf("with too many: error %v", err)
	}
	if n := r.waiting.Load(); n != maxCollectWaiting {
		t.Errorf("%d wait", n)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(doc.Gzip()))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(unzipped); err != nil || !bytes.Equal(text, doc.JSON) {
		t.Errorf("compressed: %s, error %v", text, err)
	}
}

func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	r, _, err := New(context.Background(), testConfig(t, dropping("a")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	rev := r.rev.Load()
	for i := range maxDocumentTasks + 10 {
		rev.document(fmt.Sprint("t-", i), "")
	}
	d := &rev.documents
	if len(d.byTask) != 10 || len(d.byTag) != 1 || d.bytes != len(rev.document("t-1", "").JSON) {
		t.Errorf("%d tasks, %d documents, %d bytes", len(d.byTask), len(d.byTag), d.bytes)
	}
}

// The document of the whole set is on the control topic once per revision, however
// many instances write it.
func TestControlTopic(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.Brokers = roomyBroker(t)
	r := startInstance(t, cfg)
	documents := func(n int) (all []*kgo.Record) {
		t.Helper()
		eventually(t, func() string {
			all = slices.DeleteFunc(everythingIfThere(t, cfg.Brokers, controlTopic), func(r *kgo.Record) bool { return string(r.Key) != collectKey })
			if len(all) >= n {
				return ""
			}
			return fmt.Sprintf("%d of %d documents\n%s", len(all), n, r.log)
		})
		return all
	}
	one := documents(1)
	want := r.rev.Load().program.CollectAll().Encode(r.Status().Revision)
	if string(one[0].Key) != "collect" || !bytes.Equal(one[0].Value, want) {
		t.Errorf("%s: %s, want %s", one[0].Key, one[0].Value, want)
	}
	second := startInstance(t, cfg)
	rewriteSet(t, cfg, policySet(dropping("b")))
	for _, i := range []instance{second, r} {
		if _, err := i.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		latest := documents(2)
		want := i.rev.Load().program.CollectAll().Encode(i.Status().Revision)
		if last := latest[len(latest)-1]; !bytes.Equal(last.Value, want) {
			t.Errorf("%s, want %s", last.Value, want)
		}
	}
}

// everythingIfThere reads a topic that may not have been made yet.
func everythingIfThere(t *testing.T, brokers []string, topic string) []*kgo.Record {
	t.Helper()
	admin, err := kafka.NewAdmin(kafka.Config{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	topics, err := admin.Topics(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := topics[topic]; !ok {
		return nil
	}
	return everything(t, brokers, topic)
}
