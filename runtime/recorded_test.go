package runtime

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sluice-metrics/sluice/examples/data"
	"github.com/sluice-metrics/sluice/runtime/internal/fleet"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// recording is what a real Flink said about itself; its README tells how it was made.
const recording = "../examples/data"

// asReported keeps every metric as it was reported.
const asReported = `
	stream: all: {topics: ["flink.native", "flink.custom"]}
	sink: store: {type: "store", default: true, outOfOrder: "1h"}`

// TestRecordsAgreeWithPrometheus sends the recorded records through an instance and
// compares what PromQL answers with what Flink's own Prometheus reporter answered
// at the same time: what two scrapes in a row show alike, the report between them
// must show, too.
func TestRecordsAgreeWithPrometheus(t *testing.T) {
	r := startInstance(t, testConfig(t, asReported))
	replayRecording(t, r)
	equal, names := 0, map[string]bool{}
	for process, times := range scrapesAtRest(t) {
		before := scrapeAt(t, times[0], process)
		for _, at := range times[1:] {
			scraped, stored := scrapeAt(t, at, process), map[string]map[string]string{}
			for series, v := range scraped {
				if was, ok := before[series]; !ok || was != v || series.moves() || v == noWatermark {
					continue
				}
				if stored[series.name] == nil {
					stored[series.name] = r.values(t, series.name, at)
				}
				switch got, ok := stored[series.name][series.labels]; {
				case !ok && v == "0" && r.sayNothing(t, series, at):
				case !ok:
					t.Errorf("%v is not there at %d", series, at)
				case got != v:
					t.Errorf("%v is %s at %d, Prometheus says %s", series, got, at, v)
				default:
					equal++
					names[series.name] = true
				}
			}
			before = scraped
		}
	}
	t.Logf("%d values of %d metrics are the same", equal, len(names))
	if equal < 2000 || len(names) < 150 {
		t.Errorf("%d values of %d metrics were compared: too few to show anything", equal, len(names))
	}
}

// noWatermark is what Flink says before there is a watermark: no sample for us.
const noWatermark = "-9223372036854775808"

// promSeries is a series of a scrape; labels are sorted JSON.
type promSeries struct{ name, labels string }

// moves reports whether a series goes up and down between two scrapes. The job
// revenue works on while the others are at rest.
func (s promSeries) moves() bool {
	return strings.Contains(s.labels, `"job_name":"revenue-`) || strings.Contains(s.name, "mailbox") ||
		strings.Contains(s.name, "_seconds_ago") || strings.Contains(s.name, "TimeMs")
}

// values returns the series of a metric by labels, without those that a scrape lacks.
func (r instance) values(t *testing.T, name string, at int64) map[string]string {
	t.Helper()
	out := map[string]string{}
	for labels, v := range r.query(t, fmt.Sprintf("{__name__=%q}", name), time.UnixMilli(at)) {
		m := map[string]string{}
		if err := json.Unmarshal([]byte(labels), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "torrent_task_id")
		delete(m, "__name__")
		out[labelText(m)] = v
	}
	return out
}

// sayNothing reports whether Prometheus' 0 stands for what it cannot say: a text,
// or a gauge without a value.
func (r instance) sayNothing(t *testing.T, s promSeries, at int64) bool {
	t.Helper()
	if len(r.query(t, fmt.Sprintf("{__name__=%q}", s.name+"_info"), time.UnixMilli(at))) > 0 {
		return true
	}
	return len(r.query(t, fmt.Sprintf("{__name__=%q}", s.name), time.UnixMilli(at))) == 0
}

func labelText(m map[string]string) string {
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // of a map of strings
	}
	return string(b)
}

// replayRecording publishes all records and returns the ledger of the streams when
// the store has taken what they let through.
func replayRecording(t *testing.T, r instance) Hop {
	t.Helper()
	records, err := fleet.Records(data.FS)
	if err != nil {
		t.Fatal(err)
	}
	p, err := kafka.NewPublisher(kafka.Config{Brokers: r.Status().Brokers}, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, e := range records {
		if err := p.Publish(context.Background(), e.Topic, []byte(e.Key), e.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var h Hop
	eventually(t, func() string {
		h = Total(r.Status().Streams)
		if h.Records < uint64(len(records)) || h.Dispositions["in-flight"] > 0 {
			return fmt.Sprintf("%d of %d records are governed", h.Records, len(records))
		}
		if s := r.Status().Sinks["store"]; s.SamplesIn < h.Dispositions["out"] || s.Dispositions["in-flight"] > 0 {
			return fmt.Sprintf("the store has %d of %d samples", s.SamplesIn, h.Dispositions["out"])
		}
		return ""
	})
	if len(h.DeadLetters) > 0 {
		t.Fatalf("recorded records are refused: %v", h.DeadLetters)
	}
	return h
}

// TestDefaultPoliciesOnRealData runs the default set over the recording.
func TestDefaultPoliciesOnRealData(t *testing.T) {
	cfg := testConfig(t, asReported)
	cfg.Policies = "" // the built-in set
	r := startInstance(t, cfg)
	h := replayRecording(t, r)
	by := map[string]uint64{}
	for _, rule := range h.Rules {
		by[rule.Rule] += rule.Samples
	}
	for rule, least := range map[string]uint64{"default/deprecated-duplicates": 3900, "default/kafka-clients": 10_000} {
		if by[rule] < least {
			t.Errorf("%s dropped %d samples of the recording, want %d at least", rule, by[rule], least)
		}
	}
	_, at := restPhase(t)
	for expr, least := range map[string]int{
		`count({task_attempt_id!=""}) or vector(0)`:                                          0,
		`count(count by (torrent_task_id) ({torrent_task_id=~"t-100[123]"}))`:                3,
		`count({__name__=~"flink_.*currentOffset"})`:                                         1,
		`flink_jobmanager_job_numRestarts{torrent_task_id="t-1001"}`:                         1,
		`flink_jobmanager_job_numberOfFailedCheckpoints{torrent_task_id="t-1001"}`:           1,
		`max(flink_taskmanager_job_task_numRecordsIn{torrent_task_id="t-1002"}) > bool 1000`: 1,
	} {
		for labels, v := range r.query(t, expr, time.UnixMilli(at)) {
			n, err := strconv.ParseFloat(v, 64)
			if least == 0 && n != 0 || n < float64(least) || err != nil {
				t.Errorf("%s is %s for %s, want %d", expr, v, labels, least)
			}
		}
		if len(r.query(t, expr, time.UnixMilli(at))) == 0 {
			t.Errorf("%s has no value", expr)
		}
	}
}

// restPhase is when the phase rest of the recording was.
func restPhase(t *testing.T) (start, end int64) {
	t.Helper()
	var run struct {
		Phases []struct {
			Name       string
			Start, End int64
		}
	}
	text, err := fs.ReadFile(data.FS, "run.json")
	if err == nil {
		err = json.Unmarshal(text, &run)
	}
	if err != nil {
		t.Fatal(err)
	}
	rest := run.Phases[len(run.Phases)-1]
	if rest.Name != "rest" {
		t.Fatalf("the recording ends with the phase %q", rest.Name)
	}
	return rest.Start, rest.End
}

// scrapesAtRest lists the times of the scrapes in the phase rest, by process.
func scrapesAtRest(t *testing.T) map[string][]int64 {
	t.Helper()
	start, end := restPhase(t)
	files, err := filepath.Glob(filepath.Join(recording, "scrape", "*.prom.gz"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]int64{}
	for _, f := range files {
		at, process, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".prom.gz"), "-")
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if ms >= start && ms <= end {
			out[process] = append(out[process], ms)
		}
	}
	for process := range out {
		slices.Sort(out[process])
	}
	return out
}

func scrapeAt(t *testing.T, at int64, process string) map[promSeries]string {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(unzipped(t, fmt.Sprintf("scrape/%d-%s.prom.gz", at, process))))
	if err != nil {
		t.Fatal(err)
	}
	out := map[promSeries]string{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			put := func(suffix string, v float64) {
				out[promSeries{name + suffix, labelText(maps.Clone(labels))}] = valueText(v)
			}
			switch s := m.GetSummary(); {
			case s != nil:
				put("_count", float64(s.GetSampleCount()))
				for _, q := range s.GetQuantile() {
					labels["quantile"] = valueText(q.GetQuantile())
					put("", q.GetValue())
				}
			case m.GetGauge() != nil:
				put("", m.GetGauge().GetValue())
			default:
				put("", m.GetUntyped().GetValue())
			}
		}
	}
	return out
}

// valueText writes a value as the query API does.
func valueText(v float64) string {
	if v == math.MinInt64 {
		return noWatermark
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func unzipped(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(recording, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
