package runtime

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// signed is a set that writes its name on what it lets go on.
func signed(by string) string {
	return fmt.Sprintf(`
	stream: native: {topics: ["flink.native"], level: "no-loss"}
	sink: store: {type: "store", default: true}
	rewrite: who: schema.#SetLabel & {description: "for the test", match: metrics: ["*"], label: "by", value: %q}`, by)
}

// An instance that is killed three times in the middle of a canary comes back in its
// part from the first record on: the canary's set for the tasks of its share, the other
// one for the rest. Nothing is lost.
func TestKillInTheMiddleOfACanary(t *testing.T) {
	b, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{Topics: []kafka.Topic{
		{Name: "flink.native", Partitions: 2}, {Name: "sluice.processed", Partitions: 2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	cfg := testConfig(t, signed("old"))
	cfg.Brokers, cfg.DataDir, cfg.InstanceID = []string{b.Addr()}, t.TempDir(), "one"

	const share = 0.5
	var begun CanaryStatus
	t.Run("the canary begins", func(t *testing.T) {
		r := startInstance(t, cfg)
		q := CanaryRequest{Candidate: Candidate{Files: map[string]string{"policy.cue": policySet(signed("new"))}, Reason: "for the test"}, Share: share}
		if begun, _, err = r.Canary(t.Context(), pusher, q); err != nil {
			t.Fatal(err)
		}
	})
	o := &oracle{base: time.Now().Add(-10 * time.Minute).UnixMilli(), published: map[string]string{}}
	stop, published := make(chan struct{}), make(chan error, 1)
	p := publisher(t, cfg.Brokers)
	go func() { published <- o.run(p, stop) }()
	killThrice(t, cfg, "sluice.sink.store", 1500)
	close(stop)
	if err := <-published; err != nil {
		t.Fatal(err)
	}

	r := startInstance(t, cfg)
	if s := r.Rollout().Canary; s == nil || s.Revision != begun.Revision || s.Base != begun.Base || s.Share != share || s.Ended != "" || s.By != pusher.Name {
		t.Errorf("the canary is %+v, and was %+v", s, begun)
	}
	stored := func(labels map[string]string, at int64) string {
		return identity(labels["torrent_task_id"], labels["__name__"], at)
	}
	eventually(t, func() string {
		if n := len(r.samples(t, `{__name__=~"m."}[1h]`, stored)); n < len(o.published) {
			return fmt.Sprintf("the store has %d of %d samples", n, len(o.published))
		}
		return ""
	})
	o.delivered(t, cfg.Brokers, "sluice.processed")
	governed := map[string]int{}
	for _, rec := range everything(t, cfg.Brokers, "sluice.processed") {
		var x struct {
			Task   string `json:"torrent_task_id"`
			Labels map[string]string
		}
		if err := json.Unmarshal(rec.Value, &x); err != nil {
			t.Fatal(err)
		}
		by, revision := "old", begun.Base
		if program.ShareOfTasks(share).Takes(x.Task) {
			by, revision = "new", begun.Revision
		}
		at := slices.IndexFunc(rec.Headers, func(h kgo.RecordHeader) bool { return h.Key == "sluice-rev" })
		if x.Labels["by"] != by || at < 0 || string(rec.Headers[at].Value) != revision {
			t.Fatalf("task %s is governed by %q, headers %q; want %s, revision %s", x.Task, x.Labels["by"], rec.Headers, by, revision)
		}
		governed[by]++
	}
	if governed["old"] == 0 || governed["new"] == 0 {
		t.Errorf("the oracle has tasks on one side only: %v", governed)
	}
	t.Logf("%d samples, 3 kills: governed %v", len(o.published), governed)
}
