package catalogue

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLookup(t *testing.T) {
	c := load(t)
	for series, want := range map[string]Entry{
		"flink_jobmanager_Status_JVM_CPU_Load":                                                               {Kind: metric.Gauge, Meaning: Ratio, Unit: "ratio"},
		"flink_taskmanager_Status_JVM_CPU_Time":                                                              {Kind: metric.Gauge, Meaning: Count, Unit: "nanoseconds"},
		"flink_taskmanager_Status_JVM_GarbageCollector_G1_Young_Generation_Count":                            {Kind: metric.Gauge, Meaning: Count, Unit: "collections"},
		"flink_taskmanager_Status_JVM_GarbageCollector_All_TimeMsPerSecond":                                  {Kind: metric.Gauge, Meaning: Rate, Unit: "ms/s", After: "1.16"},
		"flink_taskmanager_System_CPU_UsageCPU12":                                                            {Kind: metric.Gauge, Meaning: Level, Unit: "percent", Needs: "metrics.system-resource"},
		"flink_jobmanager_job_numRestarts":                                                                   {Kind: metric.Gauge, Meaning: Count, Unit: "restarts"},
		"flink_jobmanager_job_lastCheckpointExternalPath":                                                    {Kind: metric.Gauge, Meaning: Text, Unit: "path"},
		"flink_taskmanager_job_task_numRecordsIn":                                                            {Kind: metric.Counter, Meaning: Count, Unit: "records"},
		"flink_taskmanager_job_task_numRecordsInPerSecond":                                                   {Kind: metric.Meter, Meaning: Rate, Unit: "records/s"},
		"flink_taskmanager_job_task_isBackPressured":                                                         {Kind: metric.Gauge, Meaning: Flag, Unit: "boolean"},
		"flink_taskmanager_job_task_mailboxLatencyMs":                                                        {Kind: metric.Histogram, Meaning: Summary, Unit: "milliseconds"},
		"flink_taskmanager_job_task_Shuffle_Netty_Input_3_maxQueueLen":                                       {Kind: metric.Gauge, Meaning: Level, Unit: "buffers", Needs: "taskmanager.network.detailed-metrics"},
		"flink_taskmanager_job_task_buffers_inPoolUsage":                                                     {Kind: metric.Gauge, Meaning: Ratio, Unit: "ratio", ReplacedBy: "Shuffle.Netty.Input.Buffers, Shuffle.Netty.Output.Buffers"},
		"flink_taskmanager_job_task_operator_currentInputWatermark":                                          {Kind: metric.Gauge, Meaning: Moment, Unit: "epoch milliseconds"},
		"flink_taskmanager_job_task_operator_currentInput2Watermark":                                         {Kind: metric.Gauge, Meaning: Moment, Unit: "epoch milliseconds", Needs: "an operator with two inputs or more", After: "1.16"},
		"flink_taskmanager_job_task_operator_KafkaSourceReader_topic_partition_currentOffset":                {Kind: metric.Gauge, Meaning: Level, Unit: "offset", Needs: "the Kafka source"},
		"flink_taskmanager_job_task_operator_KafkaSourceReader_topic_my_orders_partition_11_committedOffset": {Kind: metric.Gauge, Meaning: Level, Unit: "offset", Needs: "the Kafka source"},
		"flink_taskmanager_job_task_operator_KafkaConsumer_commitsFailed":                                    {Kind: metric.Counter, Meaning: Count, Unit: "commits", Needs: "FlinkKafkaConsumer", ReplacedBy: "KafkaSourceReader"},
		"flink_taskmanager_job_task_operator_KafkaConsumer_fetch_latency_avg":                                {Kind: metric.Gauge, Meaning: Level, Unit: "various", Needs: "FlinkKafkaConsumer", ReplacedBy: "KafkaSourceReader"},
		"flink_taskmanager_job_task_operator_my_state_rocksdb_estimate_num_keys":                             {Kind: metric.Gauge, Meaning: Level, Unit: "count", Needs: "state.backend.rocksdb.metrics.*"},
		"flink_taskmanager_job_task_operator_rocksdb_block_cache_hit":                                        {Kind: metric.Gauge, Meaning: Count, Unit: "count", Needs: "state.backend.rocksdb.metrics.*"},
		"flink_taskmanager_job_task_operator_topn_cache_hitRate":                                             {Kind: metric.Gauge, Meaning: Ratio, Unit: "ratio", Origin: metric.SQL, Needs: "a Top-N of SQL"},
		"flink_taskmanager_job_latency_source_id_operator_id_operator_subtask_index_latency":                 {Kind: metric.Histogram, Meaning: Summary, Unit: "milliseconds", Needs: "metrics.latency.interval"},
	} {
		got, ok := c.Lookup(series)
		if want.Origin == 0 {
			want.Origin = metric.Native
		}
		want.Scope, want.Name = got.Scope, got.Name
		if !ok || got != want {
			t.Errorf("Lookup(%s) = %+v, %t; want %+v", series, got, ok, want)
		}
		if c.Counts(series) != (want.Meaning == Count) {
			t.Errorf("Counts(%s) = %t", series, c.Counts(series))
		}
	}
	for _, series := range []string{
		"", "up", "flink_taskmanager_job_task_operator_hits", "flink_taskmanager_Status_JVM_GarbageCollector_Count",
		"flink_taskmanager_Status_JVM_GarbageCollector__Count", "flink_jobmanager_job_numRestarts_", "flink_taskmanager_job_task_operator_KafkaProducer_",
	} {
		if e, ok := c.Lookup(series); ok || c.Counts(series) {
			t.Errorf("Lookup(%q) = %+v", series, e)
		}
	}
}

func TestOrigin(t *testing.T) {
	c := load(t)
	for _, tt := range []struct {
		scope, name string
		want        metric.Origin
	}{
		{"taskmanager.job.task", "numRecordsIn", metric.Native},
		{"taskmanager.job.task.Shuffle.Netty.Input", "numBytesInLocal", metric.Native},
		{"taskmanager.job.task", "Shuffle.Netty.Input.numBytesInLocal", metric.Native},
		{"taskmanager.job.task.operator", "KafkaProducer.record-send-rate", metric.Native},
		{"taskmanager.job.task.operator", "watermarkLatency", metric.SQL},
		{"taskmanager.job.task.operator", "ordersSeen", metric.Custom},
		{"", "flink_taskmanager_job_task_numRecordsIn", metric.Native},
		{"", "", metric.Custom},
	} {
		if got := c.Origin(tt.scope, tt.name); got != tt.want {
			t.Errorf("Origin(%q, %q) = %s, want %s", tt.scope, tt.name, got, tt.want)
		}
	}
}

// Every entry is found by its own series name, whatever stands for its placeholders.
func TestEveryEntryIsFound(t *testing.T) {
	c := load(t)
	if n := len(c.Entries()); n < 400 {
		t.Errorf("%d entries", n)
	}
	placeholders := regexp.MustCompile(`<\w+>`)
	for i, e := range c.Entries() {
		if e.Unit == "" || e.Kind == 0 || e.Meaning == 0 || e.Origin == 0 {
			t.Errorf("entry %+v is incomplete", e)
		}
		if i > 0 && e == c.Entries()[i-1] {
			t.Errorf("entry %+v is there twice", e)
		}
		name := placeholders.ReplaceAllString(e.Name, "x-1.y")
		if got, _ := c.Lookup(metric.SeriesName(e.Scope, name)); got != e {
			t.Errorf("%s %s is found as %+v", e.Scope, name, got)
		}
	}
}

func TestMeaningIsAWord(t *testing.T) {
	if got := Count.String() + " " + Summary.String() + " " + Meaning(0).String() + " " + Meaning(99).String(); got != "count summary meaning(0) meaning(99)" {
		t.Error(got)
	}
}

// A stock Flink of 1.16 reports 16 metrics per subtask under old names too.
func TestOldNamesOfTasks(t *testing.T) {
	var old []string
	for _, e := range load(t).Entries() {
		if e.Scope == "taskmanager.job.task" && e.ReplacedBy != "" && e.Needs == "" {
			old = append(old, e.Name)
		}
	}
	if len(old) != 16 {
		t.Errorf("%d old names: %q", len(old), old)
	}
}

func TestBadData(t *testing.T) {
	for name, tt := range map[string]struct{ data, want string }{
		"no data":       {`package catalogue`, "section"},
		"not CUE":       {`package catalogue {`, "expected"},
		"unknown field": {"package catalogue\nsection: a: {scopes: [\"s\"], groups: [\"\"], origin: \"native\", speed: 1}", "speed"},
		"origin":        {"package catalogue\nsection: a: {scopes: [\"s\"], groups: [\"\"], origin: \"alien\"}", `unknown origin "alien"`},
		"twice":         {"package catalogue\nsection: a: {scopes: [\"s\"], groups: [\"\"], origin: \"sql\", gauge: x: [\"m\"], total: x: [\"m\"]}", "s m is there twice"},
	} {
		c, err := Load(fstest.MapFS{"c/a.cue": {Data: []byte(tt.data)}}, "c")
		if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "catalogue: ") {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		load(b)
	}
}

func BenchmarkLookup(b *testing.B) {
	c := load(b)
	for name, series := range map[string]string{"exact": "flink_taskmanager_job_task_numRecordsIn", "none": "flink_taskmanager_job_task_operator_hits"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.Lookup(series)
			}
		})
	}
}

func TestScopeLabelsAreOfScopesThatThereAre(t *testing.T) {
	c, err := Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, e := range c.Entries() {
		known[e.Scope] = true
	}
	for scope := range scopeLabels {
		if !known[scope] || !slices.Contains(ScopeLabels(scope), "host") {
			t.Errorf("scope %q: known %v, labels %q", scope, known[scope], ScopeLabels(scope))
		}
	}
	if got := ScopeLabels("jobmanager.job"); got != nil {
		t.Errorf("a job has one JobManager, and its series need no labels: %q", got)
	}
}
