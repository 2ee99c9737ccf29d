package runtime

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// roomyBroker takes records that are larger than Sluice reads.
func roomyBroker(t *testing.T) []string {
	t.Helper()
	b, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{Topics: []kafka.Topic{
		{Name: "flink.native", Partitions: 2, Config: map[string]string{"max.message.bytes": "16777216"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return []string{b.Addr()}
}

// wrongRecords are values no record may have, and the reason their dead letters give.
func wrongRecords(now time.Time) []struct{ name, value, reason string } {
	record := func(rest string) string {
		return fmt.Sprintf(`{"torrent_task_id":"t-1","report_timestamp":%d,"metric":"m",%s}`, now.UnixMilli(), rest)
	}
	points := func(n int) string {
		return record(`"type":"counter","points":[` + strings.TrimSuffix(strings.Repeat(`{"s":0,"c":1},`, n), ",") + `]`)
	}
	return []struct{ name, value, reason string }{
		{"empty", "", "not-json"},
		{"text", "hello", "not-json"},
		{"binary", "\x00\x01\xff", "not-json"},
		{"array", "[]", "wrong-type"},
		{"truncated", record(`"type":"gauge","value":1`)[:60], "not-json"},
		{"two records", record(`"type":"gauge","value":1`) + record(`"type":"gauge","value":1`), "not-json"},
		{"task is a number", strings.Replace(record(`"type":"gauge","value":1`), `"t-1"`, "1", 1), "wrong-type"},
		{"time is text", `{"torrent_task_id":"t","report_timestamp":"now","metric":"m","type":"gauge","value":1}`, "wrong-type"},
		{"counter is text", record(`"type":"counter","value":"many"`), "wrong-type"},
		{"label is a number", record(`"type":"gauge","value":1,"labels":{"a":1}`), "wrong-type"},
		{"no task", `{"report_timestamp":1,"metric":"m","type":"gauge","value":1}`, "missing-field"},
		{"no value", record(`"type":"gauge"`), "missing-field"},
		{"bad UTF-8", record("\"type\":\"gauge\",\"value\":1,\"labels\":{\"a\":\"\xff\xfe\"}"), "bad-utf8"},
		{"unknown type", record(`"type":"timer","value":1`), "unknown-type"},
		{"future", flat("t-1", "m", "gauge", now.Add(25*time.Hour).UnixMilli(), "1"), "future-timestamp"},
		{"20,000 points", points(20_000), "too-many-points"},
		{"over 1 MiB", record(`"type":"gauge","value":1,"x":"` + strings.Repeat("x", 1<<20) + `"`), "too-large"},
		{"5 MB", record(`"type":"gauge","value":1,"x":"` + strings.Repeat("y", 5_000_000) + `"`), "too-large"},
		{"deep", record(`"type":"gauge","value":1,"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)), "too-large"},
		{"bottomless", record(`"type":"gauge","value":1,"x":` + strings.Repeat("[", 500_000)), "too-large"},
	}
}

func TestWrongRecords(t *testing.T) {
	cfg := testConfig(t, simpleSet)
	cfg.Brokers = roomyBroker(t)
	r := startInstance(t, cfg)
	now := time.Now().Truncate(time.Millisecond)
	wrong := wrongRecords(now)

	var values []string
	want := map[string]string{}
	neighbour := func(i int) {
		values = append(values, flat("t-1", fmt.Sprint("neighbour_", i), "gauge", now.UnixMilli(), fmt.Sprint(i)))
		want[fmt.Sprintf(`{"__name__":"neighbour_%d","torrent_task_id":"t-1"}`, i)] = fmt.Sprint(i)
	}
	for i, w := range wrong {
		neighbour(i)
		values = append(values, w.value)
	}
	neighbour(len(wrong))
	values = append(values, fmt.Sprintf( // the last of equal keys counts: this is not wrong
		`{"torrent_task_id":"t-1","metric":"first","metric":"twice","type":"gauge","value":1,"value":2,"report_timestamp":1,"report_timestamp":%d}`, now.UnixMilli()))
	want[`{"__name__":"twice","torrent_task_id":"t-1"}`] = "2"

	r.publish(t, "flink.native", values...)
	r.stored(t, `{__name__=~".+"}`, now, want)
	in := r.settled(t, false, "native", uint64(len(values)))
	if got := in.Dispositions["dead-letter"]; got != int64(len(wrong)) || in.Records != uint64(len(values)) {
		t.Errorf("%d records and %d dead letters, want %d and %d", in.Records, got, len(values), len(wrong))
	}
	balanced(t, r.Runtime)

	letters := everything(t, cfg.Brokers, "sluice.dead-letter")
	if len(letters) != len(wrong) {
		t.Errorf("%d dead letters, want %d", len(letters), len(wrong))
	}
	for _, w := range wrong {
		found := 0
		for _, l := range letters {
			whole := bytes.Equal(l.Value, []byte(w.value))
			cut := header(l, "sluice-truncated") == fmt.Sprint(len(w.value)) && len(l.Value) >= 512<<10 && strings.HasPrefix(w.value, string(l.Value))
			if !whole && !cut {
				continue
			}
			found++
			if got := header(l, "sluice-reason"); got != w.reason {
				t.Errorf("%s: reason %q (%s), want %q", w.name, got, header(l, "sluice-detail"), w.reason)
			}
			if header(l, "sluice-stage") != "native" || !strings.HasPrefix(header(l, "sluice-src"), "flink.native/") || header(l, "sluice-detail") == "" {
				t.Errorf("%s: headers %v lack stage, place or detail", w.name, l.Headers)
			}
		}
		if found != 1 {
			t.Errorf("%s: %d dead letters, want 1", w.name, found)
		}
	}
}

func TestAHugeKeyOfAWrongRecord(t *testing.T) {
	cfg := testConfig(t, simpleSet)
	cfg.Brokers = roomyBroker(t)
	r := startInstance(t, cfg)
	p := publisher(t, cfg.Brokers)
	if err := p.Publish(context.Background(), "flink.native", bytes.Repeat([]byte("k"), 2<<20), bytes.Repeat([]byte("v"), 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if h := r.settled(t, false, "native", 1); h.Dispositions["dead-letter"] != 1 {
		t.Errorf("dispositions %v, want one dead letter", h.Dispositions)
	}
}
