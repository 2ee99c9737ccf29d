package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

func TestRecordJoinsSources(t *testing.T) {
	other := strings.Replace(aRecord, "t-1", "t-2", 1)
	var one, all bytes.Buffer
	if _, err := Record(&one, []TrafficSource{{"records", strings.NewReader(aRecord)}}, RecordOptions{HashLabels: []string{"host"}}); err != nil {
		t.Fatal(err)
	}
	done, err := Record(&all, []TrafficSource{{"first", &one}, {"second", strings.NewReader(other + "broken\n")}}, RecordOptions{Version: "v"})
	if err != nil {
		t.Fatal(err)
	}
	if done.Series != 2 || done.Samples != 2 || done.Unreadable != 1 || done.From.IsZero() {
		t.Errorf("%+v", done)
	}
	head, _, _ := strings.Cut(all.String(), "\n")
	if !strings.Contains(head, `"sources":["first","second"],"hashed":["host"]}`) {
		t.Errorf("header %s", head)
	}
	if strings.Contains(all.String(), `"host":"h","torrent_task_id":"t-1"`) || !strings.Contains(all.String(), `"host":"h","torrent_task_id":"t-2"`) {
		t.Errorf("recorded %s", &all)
	}
}

func TestRecordFaults(t *testing.T) {
	t.Parallel()
	if _, err := Record(io.Discard, []TrafficSource{{"bad", strings.NewReader("x")}}, RecordOptions{}); !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), "traffic bad: line 1") {
		t.Errorf("error %v", err)
	}
	cut := `{"sluice_traffic":1}` + "\n"
	if _, err := Record(io.Discard, []TrafficSource{{"cut", strings.NewReader(cut)}}, RecordOptions{}); !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("error %v", err)
	}
	full := errors.New("disk full")
	if _, err := Record(failing{full}, []TrafficSource{{"records", strings.NewReader(aRecord)}}, RecordOptions{}); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	cfg, _, err := LoadConfig(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := RecordTopics(t.Context(), io.Discard, cfg, []string{"x"}, time.Minute, RecordOptions{}); !errors.Is(err, ErrConfig) {
		t.Errorf("without brokers: error %v", err)
	}
	if r, _, err := New(t.Context(), cfg, Options{}); err != nil {
		t.Fatal(err)
	} else if err := r.Traffic(t.Context(), io.Discard, time.Minute, 0); !errors.Is(err, ErrNotReady) {
		t.Errorf("before it runs: error %v", err)
	}
}

// An instance and the log of its topics tell the same.
func TestTrafficOfAnInstance(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	at := time.Now().UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", at-10_000, "1"), flat("t-1", "a", "gauge", at, "1"), flat("t-2", "b", "gauge", at, "1"), "no record")
	r.settled(t, false, "native", 4)
	want := []string{"t-1 a 2", "t-2 b 1"}
	var live, logged bytes.Buffer
	if err := r.Traffic(t.Context(), &live, time.Minute, 0); err != nil {
		t.Fatal(err)
	}
	cfg := r.cfg
	cfg.Brokers = r.Status().Brokers
	done, err := RecordTopics(t.Context(), &logged, cfg, []string{"flink.native"}, time.Minute, RecordOptions{})
	if err != nil || done.Unreadable != 1 || done.Series != 2 || done.Samples != 3 {
		t.Errorf("%+v, error %v", done, err)
	}
	for from, text := range map[string]*bytes.Buffer{"the instance": &live, "the log": &logged} {
		in, err := traffic.Open(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := in.Each(func(s *traffic.Series) error {
			got = append(got, fmt.Sprint(s.Task, " ", s.Name, " ", s.Samples))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s tells %q, want %q", from, got, want)
		}
	}
	if _, err := RecordTopics(t.Context(), io.Discard, cfg, []string{"nowhere"}, time.Minute, RecordOptions{}); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a topic that is not there: %v", err)
	}
	r.recording.Add(maxTrafficRequests)
	if err := r.Traffic(t.Context(), io.Discard, time.Minute, 0); !errors.Is(err, ErrBusy) {
		t.Errorf("when others ask: error %v", err)
	}
	r.recording.Add(-maxTrafficRequests)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
