package runtime

import (
	"fmt"
	"testing"
	"time"
)

// flat is a record of one series of a task.
func flat(task, metric, kind string, at int64, value string) string {
	return fmt.Sprintf(`{"torrent_task_id":%q,"report_timestamp":%d,"metric":%q,"type":%q,"value":%s}`, task, at, metric, kind, value)
}

func TestFromRecordsToTheStore(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	now := time.Now().Truncate(time.Millisecond)
	grouped := func(metric, kind, points string) string {
		return fmt.Sprintf(`{"v":1,"torrent_task_id":"t-1","report_timestamp":%d,"scope":"taskmanager.job.task","metric":%q,"type":%q,
			"labels":{"host":"h"},"points":[%s]}`, now.UnixMilli(), metric, kind, points)
	}
	r.publish(t, "flink.native",
		grouped("numRecordsIn", "counter", `{"s":0,"a":0,"c":9007199254740991},{"s":1,"a":0,"c":7}`),
		grouped("numRecordsInPerSecond", "meter", `{"s":0,"a":0,"c":8744577,"r":689.48}`),
		grouped("currentInputWatermark", "gauge", `{"s":0,"a":0,"v":-9223372036854775808},{"s":1,"a":0,"v":1763800000123}`),
		grouped("state", "gauge", `{"s":0,"a":0,"t":"RUN\"NING"}`),
		grouped("up", "gauge", `{"s":0,"a":0,"b":true},{"s":1,"a":0,"v":null},{"s":2,"a":0,"v":"NaN"},{"s":3,"a":0,"v":"-Inf"}`),
		grouped("latency", "histogram", `{"s":0,"a":0,"c":5,"n":5,"min":1,"max":9,"mean":4.5,"sd":0.25,"q":{"0.5":4,"0.99":9}}`),
		flat("t-2", "my-gauge.x", "gauge", now.UnixMilli(), "2.5"),
	)
	task := func(name, subtask, more string) string {
		return fmt.Sprintf(`{"__name__":"flink_taskmanager_job_task_%s","host":"h","subtask_index":%q,"task_attempt_num":"0","torrent_task_id":"t-1"%s}`,
			name, subtask, more)
	}
	quantile := func(q string) string {
		return fmt.Sprintf(`{"__name__":"flink_taskmanager_job_task_latency","host":"h","quantile":%q,"subtask_index":"0","task_attempt_num":"0","torrent_task_id":"t-1"}`, q)
	}
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{
		task("numRecordsIn", "0", ""):                       "9007199254740991",
		task("numRecordsIn", "1", ""):                       "7",
		task("numRecordsInPerSecond", "0", ""):              "689.48",
		task("numRecordsInPerSecond_count", "0", ""):        "8744577",
		task("currentInputWatermark", "1", ""):              "1763800000123",
		task("state_info", "0", `,"value":"RUN\"NING"`):     "1",
		task("up", "0", ""):                                 "1",
		task("up", "2", ""):                                 "NaN",
		task("up", "3", ""):                                 "-Inf",
		task("latency_count", "0", ""):                      "5",
		task("latency_min", "0", ""):                        "1",
		task("latency_max", "0", ""):                        "9",
		task("latency_mean", "0", ""):                       "4.5",
		task("latency_stddev", "0", ""):                     "0.25",
		quantile("0.5"):                                     "4",
		quantile("0.99"):                                    "9",
		`{"__name__":"my_gauge_x","torrent_task_id":"t-2"}`: "2.5",
	})
	in := r.settled(t, false, "native", 7)
	if in.SamplesIn != 12 || in.Dispositions["no-value"] != 2 || in.Dispositions["out"] != 10 {
		t.Errorf("ledger: %d samples in, %v; want 12 with 10 out and 2 of no value", in.SamplesIn, in.Dispositions)
	}
	balanced(t, r.Runtime)
}

func TestEndEndsASeries(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	now := time.Now().Truncate(time.Millisecond)
	before := now.Add(-2 * time.Second).UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "gone", "gauge", before, "1"), flat("t-1", "stays", "gauge", before, "2"))
	gone, stays := `{"__name__":"gone","torrent_task_id":"t-1"}`, `{"__name__":"stays","torrent_task_id":"t-1"}`
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{gone: "1", stays: "2"})

	r.publish(t, "flink.native",
		fmt.Sprintf(`{"torrent_task_id":"t-1","report_timestamp":%d,"metric":"gone","type":"gauge","end":true}`, now.Add(-time.Second).UnixMilli()))
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{stays: "2"})
	r.stored(t, `{__name__=~".+"}`, time.UnixMilli(before), map[string]string{gone: "1", stays: "2"})
}

func TestTwoStreams(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, `
	stream: native: {topics: ["flink.native", "flink.more"]}
	stream: custom: {topics: ["flink.custom"], processed: "other.processed", deadLetter: "other.dead-letter"}
	sink: store: {type: "store", default: true}
	control: noise: schema.#Drop & {match: metrics: ["noise"], reason: "nobody reads it"}`))
	now := time.Now().Truncate(time.Millisecond)
	at := now.UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", at, "1"), flat("t-1", "noise", "gauge", at, "1"))
	r.publish(t, "flink.more", flat("t-1", "b", "gauge", at, "2"))
	r.publish(t, "flink.custom", flat("t-1", "c", "gauge", at, "3"), "no record")
	r.stored(t, `{__name__=~".+"}`, now, map[string]string{
		`{"__name__":"a","torrent_task_id":"t-1"}`: "1",
		`{"__name__":"b","torrent_task_id":"t-1"}`: "2",
		`{"__name__":"c","torrent_task_id":"t-1"}`: "3",
	})
	native, custom := r.settled(t, false, "native", 3), r.settled(t, false, "custom", 2)
	if native.Dispositions["dropped"] != 1 || len(native.Rules) != 1 || native.Rules[0].Rule != "platform/noise" {
		t.Errorf("native: %v by %v, want one sample dropped by platform/noise", native.Dispositions, native.Rules)
	}
	if custom.DeadLetters["not-json"] != 1 {
		t.Errorf("custom: dead letters %v, want one that is not JSON", custom.DeadLetters)
	}
	brokers := r.Status().Brokers
	for topic, want := range map[string]int{"sluice.processed": 2, "other.processed": 1, "sluice.dead-letter": 0, "other.dead-letter": 1} {
		if got := len(everything(t, brokers, topic)); got != want {
			t.Errorf("%s has %d records, want %d", topic, got, want)
		}
	}
}
