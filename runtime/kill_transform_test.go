package runtime

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// With a plugin of scope sample in place, an instance that is killed three times under
// load loses nothing either, and every sample has gone through the plugin.
func TestKillWithAPlugin(t *testing.T) {
	b, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{Topics: []kafka.Topic{{Name: "flink.native", Partitions: 2}, {Name: "sluice.processed", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	cfg := testConfig(t, `
	stream: native: {topics: ["flink.native"], level: "no-loss"}
	sink: store: {type: "store", default: true}
	transform: twice: schema.#Transform & {match: metrics: ["m*"], plugin: "./plugins/it.wasm"}`)
	plug(t, cfg.Policies, "double.wasm")
	cfg.Brokers, cfg.DataDir, cfg.InstanceID = []string{b.Addr()}, t.TempDir(), "one"

	o := publishOverKills(t, cfg, "sluice.stream.native")
	for id, text := range o.published {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		o.published[id] = fmt.Sprint(2 * v)
	}

	r := startInstance(t, cfg)
	var got map[string]string
	eventually(t, func() string {
		got = r.samples(t, `{__name__=~"m."}[1h]`, func(labels map[string]string, at int64) string {
			return identity(labels["torrent_task_id"], labels["__name__"], at)
		})
		if len(got) < len(o.published) {
			return fmt.Sprintf("the store has %d of %d samples", len(got), len(o.published))
		}
		return ""
	})
	for id, want := range o.published {
		if got[id] != want {
			t.Fatalf("store: %s is %q, want %s", id, got[id], want)
		}
	}
	if len(got) != len(o.published) {
		t.Errorf("the store has %d samples, %d were published", len(got), len(o.published))
	}
	if s := r.Status().Store; s.Conflicts != 0 {
		t.Errorf("the store was given %d samples with another value", s.Conflicts)
	}
	twice := o.delivered(t, cfg.Brokers, "sluice.processed")
	t.Logf("%d samples, 3 kills: %d twice in sluice.processed", len(o.published), twice)
}
