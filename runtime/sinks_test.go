package runtime

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/sluice-metrics/sluice/runtime/internal/replay"
)

// receiver takes remote write 1.0 and keeps the samples, but not those that end a series.
type receiver struct {
	mu      sync.Mutex
	samples map[string]string
	twice   int  // samples that were here already
	down    bool // it takes nothing
}

func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = s2.Decode(nil, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	eachField(body, func(number uint64, series []byte) {
		if number != 1 {
			return
		}
		labels := map[string]string{}
		eachField(series, func(number uint64, b []byte) {
			if number == 1 {
				pair := map[uint64]string{}
				eachField(b, func(number uint64, b []byte) { pair[number] = string(b) })
				labels[pair[1]] = pair[2]
				return
			}
			value, at := sampleOf(b)
			if math.IsNaN(value) {
				return
			}
			key := seriesAt(labels, at)
			if _, there := v.samples[key]; there {
				v.twice++
			}
			v.samples[key] = fmt.Sprint(value)
		})
	})
	w.WriteHeader(http.StatusNoContent)
}

// sampleOf reads a sample: field 1 is a double, field 2 a varint.
func sampleOf(b []byte) (value float64, at int64) {
	for len(b) > 0 {
		if b[0] == 1<<3|1 {
			value, b = math.Float64frombits(binary.LittleEndian.Uint64(b[1:])), b[9:]
			continue
		}
		x, n := binary.Uvarint(b[1:])
		at, b = int64(x), b[1+n:]
	}
	return value, at
}

func seriesAt(labels map[string]string, at int64) string {
	return fmt.Sprintf("%v %d", labels, at) // fmt sorts the keys
}

func (v *receiver) got() map[string]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.samples)
}

func (v *receiver) setDown(down bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = down
}

func startReceiver(t *testing.T) (*receiver, string) {
	t.Helper()
	v := &receiver{samples: map[string]string{}}
	s := httptest.NewServer(v)
	t.Cleanup(s.Close)
	return v, s.URL
}

func page(r instance, path string) string {
	w := httptest.NewRecorder()
	r.Scrape(path).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}

func TestAllSinks(t *testing.T) {
	t.Parallel()
	received, url := startReceiver(t)
	cfg := testConfig(t, fmt.Sprintf(`
	stream: native: {topics: ["flink.native"]}
	sink: store:   {type: "store", default: true}
	sink: remote:  {type: "remote-write", url: %q, default: true}
	sink: page:    {type: "scrape", path: "/tasks", default: true}
	sink: copy:    {type: "kafka", topic: "copy", default: true}
	sink: archive: {type: "kafka", topic: "archive"}
	control: hot:   schema.#Route & {match: metrics: ["hot"], to: ["archive"]}
	control: noise: schema.#Drop & {match: metrics: ["noise"], reason: "nobody reads it"}`, url))
	cfg.EgressAllow = []string{"127.0.0.0/8"}
	r := startInstance(t, cfg)
	now := time.Now().UnixMilli()
	var values []string
	for i := range 50 {
		at := now - 1000 + int64(i)
		values = append(values, flat("t-1", "kept", "counter", at, fmt.Sprint(i)), flat("t-2", "rate", "gauge", at, fmt.Sprint(float64(i)/8)),
			flat("t-1", "hot", "gauge", at, "1"), flat("t-1", "noise", "gauge", at, "1"))
	}
	r.publish(t, "flink.native", values...)
	want := map[string]string{}
	for i := range 50 {
		at := now - 1000 + int64(i)
		want[seriesAt(map[string]string{"__name__": "kept", "torrent_task_id": "t-1"}, at)] = fmt.Sprint(i)
		want[seriesAt(map[string]string{"__name__": "rate", "torrent_task_id": "t-2"}, at)] = fmt.Sprint(float64(i) / 8)
	}
	eventually(t, func() string {
		if got := r.samples(t, `{__name__=~".+"}[1h]`, seriesAt); !maps.Equal(got, want) {
			return fmt.Sprintf("the store has %d samples:\n%s", len(got), lines(got))
		}
		if got := received.got(); !maps.Equal(got, want) {
			return fmt.Sprintf("the receiver has %d samples:\n%s", len(got), lines(got))
		}
		return ""
	})
	for name, out := range map[string]int64{"store": 100, "remote": 100, "page": 100, "copy": 100, "archive": 50} {
		h := r.settled(t, true, name, 150)
		if h.Dispositions["out"] != out || h.Dispositions["not-routed"] != 150-out {
			t.Errorf("sink %s: %v, want %d out and the rest not routed", name, h.Dispositions, out)
		}
	}
	body := page(r, "/tasks")
	for _, line := range []string{`kept{torrent_task_id="t-1"} 49`, `rate{torrent_task_id="t-2"} 6.125`} {
		if !strings.Contains(body, line) {
			t.Errorf("the page lacks %s:\n%s", line, body)
		}
	}
	if strings.Contains(body, "hot") || strings.Contains(body, "noise") {
		t.Errorf("the page has what was routed away or dropped:\n%s", body)
	}
	for topic, n := range map[string]int{"copy": 100, "archive": 50} {
		records := everything(t, r.Status().Brokers, topic)
		if len(records) != n {
			t.Errorf("topic %s has %d records, want %d", topic, len(records), n)
		}
		for _, x := range records {
			if replay.Key(x.Value) == nil {
				t.Errorf("topic %s: no valid record: %s", topic, x.Value)
			}
		}
	}
}

func TestDirectStream(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, `
	stream: native: {topics: ["flink.native"], level: "none", direct: true}
	sink: store: {type: "store", default: true}
	sink: page:  {type: "scrape", path: "/tasks", default: true}`))
	now := time.Now().Truncate(time.Millisecond)
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", now.UnixMilli(), "1.5"))
	r.stored(t, "a", now, map[string]string{`{"__name__":"a","torrent_task_id":"t-1"}`: "1.5"})
	eventually(t, func() string {
		if body := page(r, "/tasks"); !strings.Contains(body, `a{torrent_task_id="t-1"} 1.5`) {
			return "the page lacks the sample:\n" + body
		}
		return ""
	})
	if got := everything(t, r.Status().Brokers, "sluice.processed"); len(got) != 0 {
		t.Errorf("the processed topic has %d records, want none", len(got))
	}
}

// A receiver inside the network that the operator did not allow gets nothing, and
// the instance says so.
func TestEgressIsRefused(t *testing.T) {
	t.Parallel()
	received, url := startReceiver(t)
	r := startInstance(t, testConfig(t, fmt.Sprintf(`
	stream: native: {topics: ["flink.native"], level: "none"}
	sink: remote: {type: "remote-write", url: %q, default: true}
	sink: store:  {type: "store", default: true}`, url)))
	now := time.Now().Truncate(time.Millisecond)
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", now.UnixMilli(), "1"))
	r.stored(t, "a", now, map[string]string{`{"__name__":"a","torrent_task_id":"t-1"}`: "1"}) // the other sink goes on
	eventually(t, func() string {
		if said := r.log.String() + r.Status().Sinks["remote"].Error; strings.Contains(said, "egressAllow") {
			return ""
		}
		return fmt.Sprintf("nobody says that egress is refused: %+v", r.Status().Sinks["remote"])
	})
	if got := received.got(); len(got) != 0 {
		t.Errorf("the receiver has %v", got)
	}
}
