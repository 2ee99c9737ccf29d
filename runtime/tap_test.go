package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

const tapSet = `
	stream: native: {topics: ["flink.native"]}
	sink: store: {type: "store", default: true}
	control: noise: schema.#Drop & {match: metrics: ["noise"], reason: "nobody reads it"}
	rewrite: host: schema.#DropLabels & {match: metrics: ["*"], labels: ["host"]}`

func TestTapShowsSamplesOfARunningInstance(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, tapSet))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines, opened := make(chan TapLine, 100), make(chan error, 1)
	go func() {
		opened <- r.Tap(ctx, TapRequest{Selection: Selection{Tasks: []string{"t-*"}}, PerSecond: 1000}, func(batch []TapLine) error {
			for _, l := range batch {
				select {
				case lines <- l:
				case <-ctx.Done():
				}
			}
			return nil
		})
	}()
	now := time.Now().Truncate(time.Millisecond)
	with := func(metric, value, labels string) string {
		return fmt.Sprintf(`{"torrent_task_id":"t-1","report_timestamp":%d,"metric":%q,"type":"gauge","value":%s,"labels":{%s}}`, now.UnixMilli(), metric, value, labels)
	}
	seen := map[string]TapSample{}
	eventually(t, func() string { // the tap may open after the first records
		r.publish(t, "flink.native", with("m", `"NaN"`, `"host":"h"`), with("noise", "1", `"host":"h"`),
			with("conn", `"jdbc://ann:pass-1@db"`, `"password":"pass-2","url":"http://bob:pass-3@x/"`),
			strings.Replace(with("m", "1", ""), "t-1", "u-1", 1))
		for {
			select {
			case l := <-lines:
				if l.Sample != nil {
					seen[l.Sample.Before] = *l.Sample
				}
				continue
			case err := <-opened:
				t.Fatal("the tap has ended:", err)
			case <-time.After(200 * time.Millisecond):
			}
			break
		}
		if len(seen) < 3 {
			return fmt.Sprintf("%d series are tapped, want 3", len(seen))
		}
		return ""
	})
	m := seen[`m{host="h", torrent_task_id="t-1"}`]
	if m.After != `m{torrent_task_id="t-1"}` || m.Disposition != "out" || string(m.Value) != `"NaN"` || !m.Time.Equal(now) || m.Stream != "native" || m.Topic != "flink.native" || m.Offset < 0 {
		t.Errorf("m: %+v", m)
	}
	if n := seen[`noise{host="h", torrent_task_id="t-1"}`]; n.After != "" || n.Disposition != "dropped" || !strings.HasSuffix(n.Rule, "/noise") {
		t.Errorf("noise: %+v", n)
	}
	text, err := json.Marshal(seen)
	if err != nil || strings.Contains(string(text), "pass-") || len(seen) != 3 {
		t.Errorf("secrets are shown, or other tasks: %s, %v", text, err)
	}
	cancel()
	if err := <-opened; err != nil {
		t.Errorf("a tap that nobody reads any more: %v", err)
	}
}

func TestTapEndsAfterItsTimeAndTellsWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, tapSet))
	r.send(t, 0, 1)
	r.settled(t, false, "native", 1)
	var last TapLine
	shown := 0
	err := r.Tap(t.Context(), TapRequest{For: time.Second, PerSecond: 1}, func(batch []TapLine) error {
		for _, l := range batch {
			if last = l; l.Sample != nil {
				shown++
			}
		}
		return nil
	})
	if err != nil || last.Counts == nil || last.Counts.Ended == "" || int(last.Counts.Shown) != shown {
		t.Fatalf("%v, last line %+v of %d", err, last.Counts, shown)
	}
	gone := errors.New("gone")
	done := make(chan error, 1)
	go func() {
		done <- r.Tap(t.Context(), TapRequest{}, func([]TapLine) error { return gone })
	}()
	if err := <-done; !errors.Is(err, gone) || r.taps.Count() != 0 {
		t.Errorf("error %v with %d taps open, want that of who reads, and none", err, r.taps.Count())
	}
}

func TestTapRequestsThatAreWrong(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, tapSet))
	for name, q := range map[string]TapRequest{
		"rate":        {PerSecond: 1001},
		"for":         {For: 2 * time.Hour},
		"disposition": {Dispositions: []string{"lost"}},
		"metrics":     {Selection: Selection{Metrics: []string{"re:("}}},
		"labels.a":    {Selection: Selection{Labels: map[string][]string{"a": {"re:("}}}},
		"kinds":       {Selection: Selection{Kinds: []string{"guage"}}},
		"rules":       {Rules: []string{"re:("}},
	} {
		err := r.Tap(t.Context(), q, func([]TapLine) error { return nil })
		if !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestNumbersOfATap(t *testing.T) {
	for want, v := range map[string]float64{"2.5": 2.5, "1e+300": 1e300, `"NaN"`: math.NaN(), `"Inf"`: math.Inf(1), `"-Inf"`: math.Inf(-1)} {
		if got := numberText(v); string(got) != want || !json.Valid(got) {
			t.Errorf("%g is %s, want %s", v, got, want)
		}
	}
}
