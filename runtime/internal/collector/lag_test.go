package collector

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
)

// kafkaMetrics are the metrics of a vertex with one Kafka source: the offsets of
// its partitions from 0 on, beside others.
func kafkaMetrics(subtask, topic string, offsets ...int64) string {
	out := []flinkrest.MetricValue{
		{ID: subtask + ".numRecordsIn", Value: "5"},
		{ID: subtask + ".Source__orders.KafkaSourceReader.KafkaConsumer.records-lag-max", Value: "NaN"},
		{ID: subtask + ".Source__orders.KafkaSourceReader.topic." + topic + ".partition.0.committedOffset", Value: "1"},
	}
	for p, at := range offsets {
		out = append(out, flinkrest.MetricValue{
			ID:    fmt.Sprintf("%s.Source__orders.KafkaSourceReader.topic.%s.partition.%d.currentOffset", subtask, topic, p),
			Value: fmt.Sprint(at),
		})
	}
	text, _ := json.Marshal(out)
	return string(text)
}

func lagBench(t *testing.T) (*bench, *topics) {
	s := &topics{ends: map[string]map[int32]int64{"shop.orders": {0: 1000, 1: 500}, "other": {0: 9}}}
	b := newBench(t, func(o *Options) { o.Offsets = s })
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1})
	return b, s
}

// at says where the source is, and where the topic ends.
func (b *bench) at(s *topics, at0, end0, at1, end1 int64) {
	b.jm.set("/jobs/a/vertices/v1/metrics", kafkaMetrics("0", "shop_orders", at0, at1))
	s.ends["shop.orders"] = map[int32]int64{0: end0, 1: end1}
}

func lagLines(lines string) string {
	return strings.NewReplacer(
		"PARTITION ", "a kafka.source.partition ", "TOPIC ", "a kafka.source.topic ", "JOB ", "a kafka.source ",
		"{0}", `{job_id="a", job_name="pay", partition="0", source="Source__orders", topic="shop.orders"}`,
		"{1}", `{job_id="a", job_name="pay", partition="1", source="Source__orders", topic="shop.orders"}`,
		"{T}", `{job_id="a", job_name="pay", source="Source__orders", topic="shop.orders"}`,
		"{}", `{job_id="a", job_name="pay"}`,
	).Replace(lines)
}

// The JobManager writes the topic shop.orders as shop_orders; the series has the
// name that Kafka knows.
func TestLag(t *testing.T) {
	b, s := lagBench(t)
	b.at(s, 899, 1000, 499, 500)
	b.round(0).want(lagLines(`
		PARTITION current_offset{0} = 899
		PARTITION end_offset{0} = 1000
		PARTITION lag{0} = 100
		PARTITION lag{1} = 0
		TOPIC lag{T} = 100
		TOPIC partitions{T} = 2
		TOPIC partitions_unread{T} = 0
		TOPIC recovery_seconds{T} = -
		JOB lag{} = 100
		JOB recovery_seconds{} = -`))
	if s.asked != 1 {
		t.Errorf("the brokers were asked %d times", s.asked)
	}
}

// 1000 records behind; in 10 s the source reads 300 and 100 are written: it gains
// 20 per second on the 800 that are left.
func TestRecoveryTime(t *testing.T) {
	b, s := lagBench(t)
	b.at(s, -1, 0, 8999, 10000)
	b.round(0).want(lagLines("PARTITION lag{0} = 0\nPARTITION lag{1} = 1000\nTOPIC partitions_unread{T} = 0"))
	b.at(s, -1, 0, 9299, 10100)
	b.round(10 * time.Second).want(lagLines(`
		TOPIC lag{T} = 800
		TOPIC consumed_per_second{T} = 30
		TOPIC produced_per_second{T} = 10
		TOPIC recovery_seconds{T} = 40
		JOB recovery_seconds{} = 40`))
	// Written faster than read: it never recovers.
	b.at(s, -1, 0, 9300, 12000)
	b.round(10 * time.Second).want(lagLines("TOPIC recovery_seconds{T} = +Inf\nJOB recovery_seconds{} = +Inf"))
	// It stands still, as a job that hangs: neither.
	b.at(s, -1, 0, 9300, 12000)
	for range 7 {
		b.round(10 * time.Second)
	}
	b.round(10 * time.Second).want(lagLines("TOPIC consumed_per_second{T} = 0\nTOPIC recovery_seconds{T} = +Inf"))
	// Everything is read.
	b.at(s, -1, 0, 11999, 12000)
	b.round(10 * time.Second).want(lagLines("TOPIC lag{T} = 0\nTOPIC recovery_seconds{T} = 0\nJOB recovery_seconds{} = 0"))
}

// A source that keeps up is seen a few seconds behind, because Flink's offsets
// are: that is no lag that needs recovery.
func TestSourceThatKeepsUp(t *testing.T) {
	b, s := lagBench(t)
	for i := range int64(10) {
		b.at(s, 999+1000*i, 1500+1000*i, 499, 500)
		r := b.round(10 * time.Second)
		if i > 0 {
			r.want(lagLines("TOPIC lag{T} = 500\nTOPIC recovery_seconds{T} = 0"))
		}
	}
}

// After a restart the source goes back to its checkpoint: rates begin anew.
func TestRatesBeginAnewAfterARestart(t *testing.T) {
	b, s := lagBench(t)
	b.at(s, 5000, 6000, 499, 500)
	b.round(0)
	b.at(s, 5500, 6000, 499, 500)
	b.round(10 * time.Second).want(lagLines("TOPIC consumed_per_second{T} = 50"))
	b.at(s, 5100, 6000, 499, 500)
	b.round(10 * time.Second).want(lagLines("TOPIC lag{T} = 899\nTOPIC consumed_per_second{T} = -\nTOPIC recovery_seconds{T} = -"))
	b.at(s, 5400, 6000, 499, 500)
	b.round(10 * time.Second).want(lagLines("TOPIC consumed_per_second{T} = 30"))
	// The topic was made anew.
	b.at(s, 5400, 10, 499, 500)
	b.round(10 * time.Second).want(lagLines("PARTITION lag{0} = 0\nTOPIC consumed_per_second{T} = -"))
}

// Rates are those of the last minute.
func TestRateWindow(t *testing.T) {
	var tr track
	for i := range int64(100) {
		at := i * 10
		if i >= 90 {
			at = 900 + (i-90)*100 // ten times as fast
		}
		consumed, _, known := tr.add(mark{begin.Add(time.Duration(i) * 10 * time.Second), at, 1_000_000})
		switch {
		case known != (i > 0):
			t.Fatalf("step %d: known %v", i, known)
		case i == 89 && math.Abs(consumed-1) > 1e-9, i == 99 && math.Abs(consumed-10) > 1e-9:
			t.Errorf("step %d: %v per second", i, consumed)
		}
		if len(tr.marks) > 8 {
			t.Fatalf("%d marks", len(tr.marks))
		}
	}
}

func TestUnreadPartitions(t *testing.T) {
	b, s := lagBench(t)
	b.at(s, -1, 1000, 399, 500) // may start at the end, or at 0
	b.round(0).want(lagLines(`
		PARTITION current_offset{0} = -
		PARTITION end_offset{0} = 1000
		PARTITION lag{0} = -
		PARTITION lag{1} = 100
		TOPIC lag{T} = 100
		TOPIC partitions_unread{T} = 1`))
	b.at(s, -915623761773, 1000, -1, 500) // what the older connector says of no offset
	b.round(10 * time.Second).want(lagLines("TOPIC lag{T} = -\nTOPIC partitions_unread{T} = 2"))
}

// Brokers that are away, or are others than the sources', cost the lag; the
// offsets of Flink are there, and nothing ends.
func TestBrokersAway(t *testing.T) {
	b, s := lagBench(t)
	b.at(s, 899, 1000, 499, 500)
	b.round(0)
	s.err = errors.New("no broker answers")
	r := b.round(10 * time.Second)
	r.want(lagLines("PARTITION current_offset{0} = 899\nTOPIC lag{T} = -\nJOB lag{} = -") +
		"\nsession collector errors{call=\"offsets\", cluster=\"\", host=\"here\"} = -")
	r.ends()
	if !strings.Contains(b.log.String(), "no broker answers") {
		t.Errorf("logged: %s", b.log.String())
	}
	// Rates go over the gap.
	s.err = nil
	b.at(s, 1099, 1200, 499, 500)
	b.round(10 * time.Second).want(lagLines("TOPIC consumed_per_second{T} = 10\nTOPIC lag{T} = 100"))
	// A partition without an end: the topic is not said to have recovered.
	delete(s.ends["shop.orders"], 1)
	s.err = nil
	b.round(10 * time.Second).want(lagLines("TOPIC lag{T} = -\nJOB lag{} = -"))
}

func TestTopicThatTheBrokersDoNotHave(t *testing.T) {
	b, s := lagBench(t)
	delete(s.ends, "shop.orders")
	b.jm.set("/jobs/a/vertices/v1/metrics", kafkaMetrics("0", "shop_orders", 7))
	b.round(0).want(`a kafka.source.partition current_offset{job_id="a", job_name="pay", partition="0", source="Source__orders", topic="shop_orders"} = 7`)
	if said := b.log.String(); !strings.Contains(said, "no topic shop_orders") || !strings.Contains(said, "--source-brokers") {
		t.Errorf("logged: %s", said)
	}
}

// The list of metrics is asked for when the job begins to run and then ever more
// rarely: a source that appears late is found, and a large job is not listed every round.
func TestMetricsAreListedOnChange(t *testing.T) {
	b, s := lagBench(t)
	b.jm.set("/jobs/a/vertices/v1/metrics", `[]`)
	b.round(0)
	b.at(s, 1, 1000, 1, 500)
	b.round(10 * time.Second).want(lagLines("TOPIC partitions{T} = 2"))
	b.jm.calls("/jobs/a/vertices/v1/metrics")
	for range 60 {
		b.round(10 * time.Second)
	}
	values := 60
	if n := b.jm.calls("/jobs/a/vertices/v1/metrics") - values; n < 3 || n > 6 {
		t.Errorf("listed %d times in ten minutes", n)
	}
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 300, restarts: 1})
	b.round(10 * time.Second)
	if n := b.jm.calls("/jobs/a/vertices/v1/metrics"); n != 2 {
		t.Errorf("after a restart: %d calls, want a list and the values", n)
	}
}

// Only sources are asked, and only subtasks that there are; one that had the
// partition before a rescale does not hide the one that has it.
func TestWhatIsListed(t *testing.T) {
	b, s := lagBench(t)
	b.jm.set("/jobs/a", details(begin))
	b.jm.set("/jobs/a/vertices/v2/metrics", kafkaMetrics("0", "other", 3))
	var both []flinkrest.MetricValue
	for _, text := range []string{kafkaMetrics("0", "shop_orders", 50), kafkaMetrics("1", "shop_orders", 70), kafkaMetrics("2", "shop_orders", 900)} {
		var one []flinkrest.MetricValue
		unmarshal(t, text, &one)
		both = append(both, one[3:]...)
	}
	text, err := json.Marshal(both)
	if err != nil {
		t.Fatal(err)
	}
	b.jm.set("/jobs/a/vertices/v1/metrics", string(text))
	s.ends["shop.orders"] = map[int32]int64{0: 100}
	b.round(0).want(lagLines("PARTITION current_offset{0} = 70\nPARTITION lag{0} = 29"))
	if n := b.jm.calls("/jobs/a/vertices/v2/metrics"); n != 0 {
		t.Errorf("a sink was asked for its offsets %d times", n)
	}
}

func TestOffsetMetric(t *testing.T) {
	for id, want := range map[string]string{
		"12.Source__orders.KafkaSourceReader.topic.shop_orders.partition.3.currentOffset": "12 Source__orders shop_orders 3",
		"0.Source__Custom.KafkaConsumer.topic.t.partition.0.currentOffsets":               "0 Source__Custom t 0",
		"0.a.KafkaSourceReader.topic.t.partition.0.committedOffset":                       "",
		"0.a.KafkaSourceReader.KafkaConsumer.topic.t.records-lag":                         "",
		"0.KafkaSourceReader.topic.t.partition.0.currentOffset":                           "",
		"x.a.KafkaSourceReader.topic.t.partition.0.currentOffset":                         "",
	} {
		got := ""
		if m := offsetMetric.FindStringSubmatch(id); m != nil {
			got = strings.Join(m[1:], " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// Recovery is 0 or the time after which the lag is gone at these rates.
func TestRecoveryProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rates{
			lag:      float64(rapid.Int64Range(0, 1e9).Draw(t, "lag")),
			consumed: float64(rapid.Int64Range(0, 1e6).Draw(t, "consumed")),
			produced: float64(rapid.Int64Range(0, 1e6).Draw(t, "produced")),
		}
		got := r.recovery()
		switch {
		case r.lag <= 10*r.consumed:
			if got != 0 {
				t.Fatalf("%+v: %v, want 0", r, got)
			}
		case r.consumed <= r.produced:
			if !math.IsInf(got, 1) {
				t.Fatalf("%+v: %v, want +Inf", r, got)
			}
		case math.Abs(r.lag+got*(r.produced-r.consumed)) > 1e-6*r.lag:
			t.Fatalf("%+v: after %v s the lag is %v", r, got, r.lag+got*(r.produced-r.consumed))
		}
	})
}
