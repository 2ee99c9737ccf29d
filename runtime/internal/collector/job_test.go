package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
)

// details is a job that runs since 5 s after begin, asked 65 s after begin.
func details(t time.Time) string {
	ms := begin.UnixMilli()
	return fmt.Sprintf(`{"jid":"a","name":"pay","state":"RUNNING","start-time":%d,"now":%d,
		"timestamps":{"INITIALIZING":%d,"RUNNING":%d,"FAILED":0},"new-in-3.0":{"x":[1]},
		"vertices":[
			{"id":"v1","name":"Source: orders","parallelism":2,"status":"RUNNING","tasks":{"RUNNING":1,"INITIALIZING":1},
			 "metrics":{"read-bytes":0,"read-bytes-complete":true,"write-bytes":100,"write-records":9,
			            "accumulated-backpressured-time":11,"accumulated-idle-time":12,"accumulated-busy-time":13.0}},
			{"id":"v2","name":"Sink: pay","parallelism":3,"status":"RUNNING","tasks":{"RUNNING":3},
			 "metrics":{"read-records":7,"accumulated-busy-time":"NaN"}}],
		"plan":{"nodes":[{"id":"v1"},{"id":"v2","inputs":[{"id":"v1"}]}]}}`,
		ms, t.UnixMilli(), ms, ms+5000)
}

func TestJobDetails(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING"})
	b.jm.set("/jobs/a", details(begin.Add(65*time.Second)))
	// The clock of the collector is an hour ahead: ages are Flink's.
	r := b.round(time.Hour)
	r.want(`
		a jobmanager.job state{job_id="a", job_name="pay"} = RUNNING
		a jobmanager.job running{job_id="a", job_name="pay"} = 1
		a jobmanager.job uptime_seconds{job_id="a", job_name="pay"} = 60
		a jobmanager.job age_seconds{job_id="a", job_name="pay"} = 65
		a jobmanager.job tasks{job_id="a", job_name="pay", state="RUNNING"} = 4
		a jobmanager.job tasks{job_id="a", job_name="pay", state="INITIALIZING"} = 1
		a jobmanager.job.vertex status{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"} = RUNNING
		a jobmanager.job.vertex parallelism{job_id="a", job_name="pay", task_id="v2", task_name="Sink: pay"} = 3
		a jobmanager.job.vertex running_tasks{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"} = 1
		a jobmanager.job.vertex busy_milliseconds{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"} = +13
		a jobmanager.job.vertex idle_milliseconds{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"} = +12
		a jobmanager.job.vertex backpressured_milliseconds{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"} = +11
		a jobmanager.job.vertex written_bytes{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"} = +100
		a jobmanager.job.vertex written_records{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"} = +9
		a jobmanager.job.vertex read_records{job_id="a", job_name="pay", task_id="v2", task_name="Sink: pay"} = +7
		a jobmanager.job.vertex busy_milliseconds{job_id="a", job_name="pay", task_id="v2", task_name="Sink: pay"} = -`)
}

// Sums without some of the subtasks are no counters: nothing is told, nothing ends.
func TestPartialSums(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING"})
	const busy = `a jobmanager.job.vertex busy_milliseconds{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"}`
	whole := details(begin)
	partial := strings.Replace(whole, `"read-bytes":0,`, `"read-records-complete":false,"read-bytes":0,`, 1)
	for _, step := range []struct{ answer, want string }{{partial, "-"}, {whole, "+13"}, {partial, "-"}, {whole, "+13"}} {
		b.jm.set("/jobs/a", step.answer)
		r := b.round(10 * time.Second)
		r.want(busy + " = " + step.want)
		r.ends()
	}
}

func TestJobThatRestarts(t *testing.T) {
	b := newBench(t)
	b.now = begin.Add(10 * time.Second)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1})
	b.round(0).want(`a jobmanager.job uptime_seconds{job_id="a", job_name="pay"} = 9`)
	b.jobs(oneJob{id: "a", name: "pay", state: "RESTARTING", running: 1})
	b.round(10 * time.Second).want(`
		a jobmanager.job state{job_id="a", job_name="pay"} = RESTARTING
		a jobmanager.job running{job_id="a", job_name="pay"} = 0
		a jobmanager.job uptime_seconds{job_id="a", job_name="pay"} = 0`)
}

// A job that ended says so for as long as the JobManager lists it, and is asked
// for nothing more; when it is gone, so is every series of it.
func TestJobThatEnds(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1})
	b.round(0)
	b.jobs(oneJob{id: "a", name: "pay", state: "FAILED", running: 1})
	r := b.round(10 * time.Second)
	r.want(`
		a jobmanager.job state{job_id="a", job_name="pay"} = FAILED
		a jobmanager.job running{job_id="a", job_name="pay"} = 0
		a jobmanager.job uptime_seconds{job_id="a", job_name="pay"} = -`)
	r.ends(`a jobmanager.job uptime_seconds{job_id="a", job_name="pay"}`,
		`a jobmanager.job.vertex status{job_id="a", job_name="pay", task_id="v1", task_name="Source: orders"}`)
	for _, path := range []string{"/jobs/a", "/jobs/a/metrics", "/jobs/a/exceptions"} {
		b.jm.calls(path)
	}
	b.round(10 * time.Second).ends()
	for _, path := range []string{"/jobs/a", "/jobs/a/metrics", "/jobs/a/exceptions"} {
		if n := b.jm.calls(path); n != 0 {
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
	b.jobs()
	b.round(10*time.Second).ends(`a jobmanager.job state{job_id="a", job_name="pay"}`, `a jobmanager.job running{job_id="a", job_name="pay"}`)
	b.round(10 * time.Second).ends()
	if len(b.c.clusters[0].jobs) != 0 {
		t.Error("a job that is gone is remembered")
	}
}

func TestCheckpoints(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1})
	b.jm.set("/jobs/a", details(begin.Add(65*time.Second)))
	b.jm.set("/jobs/a/checkpoints/config", `{"interval":10000}`)
	b.jm.set("/jobs/a/checkpoints", fmt.Sprintf(`{"counts":{"restored":1,"total":30,"in_progress":1,"completed":25,"failed":4},
		"latest":{"completed":{"latest_ack_timestamp":%d,"end_to_end_duration":2500,"checkpointed_size":70,"state_size":900,"processed_data":5,"persisted_data":6}},
		"history":[{"status":"IN_PROGRESS"},{"status":"FAILED"},{"status":"COMPLETED","is_savepoint":true},{"status":"FAILED"},{"status":"COMPLETED"},{"status":"FAILED"}]}`,
		begin.Add(35*time.Second).UnixMilli()))
	b.round(0).want(checkpointLines(`completed = +25|failed = +4|restored = +1|triggered = +30|in_progress = 1|consecutive_failures = 2|
		last_completed_age_seconds = 30|last_duration_seconds = 2.5|last_size_bytes = 70|last_state_bytes = 900|last_processed_bytes = 5|
		last_persisted_bytes = 6|interval_seconds = 10|duration_interval_ratio = 0.25`))

	// 1.14 knows the size of the state only; the largest long is no interval; none has completed.
	b.jm.set("/jobs/b/checkpoints/config", `{"interval":9223372036854775807}`)
	b.jm.set("/jobs/b/checkpoints", `{"counts":{"completed":1,"total":1},"latest":{"completed":{"state_size":900,"end_to_end_duration":5}}}`)
	b.jm.set("/jobs/c/checkpoints/config", `{"interval":10000}`)
	b.jm.set("/jobs/c/checkpoints", `{"counts":{"completed":0,"failed":3},"latest":{"completed":null},"history":[{"status":"FAILED"},{"status":"FAILED"},{"status":"FAILED"}]}`)
	b.now = b.now.Add(65 * time.Second)
	b.jobs(oneJob{id: "b", name: "pay", state: "RUNNING", running: 5}, oneJob{id: "c", name: "pay", state: "RUNNING", start: 5, running: 60})
	r := b.round(0)
	r.want(strings.NewReplacer("a ", "b ", `"a"`, `"b"`).Replace(
		checkpointLines(`last_size_bytes = 900|interval_seconds = -|duration_interval_ratio = -|last_completed_age_seconds = -`)))
	r.want(strings.NewReplacer("a ", "c ", `"a"`, `"c"`).Replace(
		checkpointLines(`consecutive_failures = 3|last_completed_age_seconds = 60|last_duration_seconds = -`)))
	if b.round(time.Second); b.jm.calls("/jobs/c/checkpoints/config") != 1 {
		t.Error("the configuration is asked for more than once")
	}
}

func checkpointLines(list string) string {
	var b strings.Builder
	for _, item := range strings.Split(list, "|") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), " = ")
		fmt.Fprintf(&b, "a jobmanager.job.checkpoint %s{job_id=\"a\", job_name=\"pay\"} = %s\n", name, value)
	}
	return b.String()
}

// A job without checkpoints is asked once a minute: it may be a job of which the
// JobManager does not know yet.
func TestNoCheckpoints(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1})
	for range 7 {
		b.round(10 * time.Second).want(checkpointLines("completed = -"))
	}
	if n := b.jm.calls("/jobs/a/checkpoints"); n != 2 {
		t.Errorf("asked %d times in 70 s", n)
	}
	if strings.Contains(b.log.String(), "failed") {
		t.Errorf("logged: %s", b.log.String())
	}
	// Flink 2 answers all the same. A savepoint makes a job one that has some.
	b.jm.set("/jobs/a/checkpoints/config", `{"interval":9223372036854775807}`)
	b.jm.set("/jobs/a/checkpoints", `{"counts":{"completed":0,"failed":0,"total":0},"latest":{},"history":[]}`)
	b.round(time.Minute).want(checkpointLines("completed = -|consecutive_failures = -"))
	b.jm.set("/jobs/a/checkpoints", `{"counts":{"completed":1,"failed":0,"total":1},"latest":{},"history":[]}`)
	b.round(10 * time.Second).want(checkpointLines("completed = +1|interval_seconds = -"))
}

// The history has ten entries; failures beyond it are counted on.
func TestConsecutiveFailures(t *testing.T) {
	answer := func(completed, failed int, history string) *flinkrest.Checkpoints {
		var a flinkrest.Checkpoints
		unmarshal(t, fmt.Sprintf(`{"counts":{"completed":%d,"failed":%d}}`, completed, failed), &a)
		for _, h := range history {
			state := map[rune]string{'F': "FAILED", 'C': "COMPLETED", 'I': "IN_PROGRESS"}[h]
			a.History = append(a.History, flinkrest.Checkpoint{Status: state})
		}
		return &a
	}
	c := checkpoints{}
	for i, x := range []struct {
		answer *flinkrest.Checkpoints
		want   int64
	}{
		{answer(0, 0, ""), 0},
		{answer(5, 2, "IFFC"), 2},
		{answer(5, 9, "FFFFFFFFFC"), 9},
		{answer(5, 30, "FFFFFFFFFF"), 30}, // two before, as the first answers said
		{answer(5, 31, "IFFFFFFFFF"), 31},
		{answer(6, 31, "C"), 0},
		{answer(6, 33, "FFC"), 2},
		{answer(0, 1, "F"), 1}, // counted anew by another JobManager
		{answer(0, 0, ""), 0},
	} {
		if got := c.consecutive(x.answer); got != x.want {
			t.Errorf("step %d: %d, want %d", i, got, x.want)
		}
	}
	c = checkpoints{} // the first answer has failures only: more than it shows is not known
	if got := c.consecutive(answer(50, 40, "FFFFFFFFFF")); got != 10 {
		t.Errorf("at first sight %d, want 10", got)
	}
	if got := c.consecutive(answer(50, 43, "FFFFFFFFFF")); got != 13 {
		t.Errorf("then %d, want 13", got)
	}
}

func TestExceptions(t *testing.T) {
	b := newBench(t)
	ms := begin.UnixMilli()
	trace := `java.lang.IllegalStateException: no money\n\tat io.x.Y.z(Y.java:7)\n\t... 3 more\nCaused by: java.io.IOException: reset\n`
	b.jm.set("/jobs/a/exceptions", fmt.Sprintf(`{"root-exception":"x","timestamp":%d,"exceptionHistory":{"entries":[
		{"exceptionName":"java.lang.IllegalStateException","stacktrace":"%s","timestamp":%d,"taskName":"Sink"},
		{"exceptionName":"java.io.IOException","stacktrace":"java.io.IOException: y","timestamp":%d}]}}`, ms, trace, ms+2000, ms+1000))
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1})
	const of = `{exception="java.lang.IllegalStateException", job_id="a", job_name="pay"}`
	lines := `
		a jobmanager.job.exception count` + of + ` = +1
		a jobmanager.job.exception count{exception="java.io.IOException", job_id="a", job_name="pay"} = +1
		a jobmanager.job.exception last_timestamp_seconds{job_id="a", job_name="pay"} = 1.763800002e+09`
	r := b.round(0)
	r.want(lines)
	if got, want := r.value["a jobmanager.job.exception last"+of], "java.lang.IllegalStateException: no money\nCaused by: java.io.IOException: reset"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	for range 3 { // nothing changed: sent again, and not asked for
		b.round(10 * time.Second).want(lines)
	}
	if n := b.jm.calls("/jobs/a/exceptions"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	b.jm.set("/jobs/a/exceptions", fmt.Sprintf(`{"exceptionHistory":{"entries":[{"exceptionName":"java.lang.IllegalStateException","stacktrace":"again","timestamp":%d},
		{"exceptionName":"java.lang.IllegalStateException","stacktrace":"%s","timestamp":%d}]}}`, ms+9000, trace, ms+2000))
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1, restarts: 1})
	b.round(10 * time.Second).want("a jobmanager.job.exception count" + of + " = +2\na jobmanager.job.exception last" + of + " = again")
	for _, change := range []oneJob{
		{id: "a", name: "pay", state: "RUNNING", running: 60, restarts: 1}, {id: "a", name: "pay", state: "FAILING", running: 60, restarts: 1},
		{id: "a", name: "pay", state: "FAILED", running: 60, restarts: 1},
	} {
		b.jm.calls("/jobs/a/exceptions")
		b.jobs(change)
		b.round(10 * time.Second)
		if n := b.jm.calls("/jobs/a/exceptions"); n != 1 {
			t.Errorf("%+v: asked %d times", change, n)
		}
	}
}

// A call that failed is made again, although nothing changed any more.
func TestExceptionsAreAskedUntilTheyAnswer(t *testing.T) {
	b := newBench(t)
	b.jm.set("/jobs/a/exceptions", "500")
	b.jobs(oneJob{id: "a", name: "pay", state: "FAILED"})
	b.round(0)
	b.jm.set("/jobs/a/exceptions", fmt.Sprintf(`{"root-exception":"java.lang.X: y\n\tat z","timestamp":%d}`, begin.UnixMilli()))
	b.round(10 * time.Second).want(`a jobmanager.job.exception last{exception="java.lang.X", job_id="a", job_name="pay"} = java.lang.X: y`)
}

func TestExceptionsAreBounded(t *testing.T) {
	var x exceptions
	var a flinkrest.Exceptions
	for i := range 100 {
		e := flinkrest.Exception{Name: fmt.Sprintf("x.E%02d", i), StackTrace: strings.Repeat("ä", 1000)}
		unmarshal(t, fmt.Sprint(1000+i), &e.At)
		a.History.Entries = append(a.History.Entries, e)
	}
	x.take(a)
	if len(x.counts) != maxClasses+1 || x.counts[otherClass] != 80 {
		t.Errorf("%d classes, other %d", len(x.counts), x.counts[otherClass])
	}
	if text := x.text; len(text) > maxText || !utf8.ValidString(text) {
		t.Errorf("%d bytes of text", len(text))
	}
	if got := classOf(flinkrest.Exception{}); got != otherClass {
		t.Errorf("class %q", got)
	}
}

func TestTags(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Identity.JobName = identityOf("^(?P<team>[a-z]+)-(?P<id>.*)$") })
	b.jm.set("/jobs/a/config", `{"execution-config":{"user-config":{"tier":"gold","team":"wrong","cost.center":7,"empty":"","db.password":"x","masked":"******","nothing":null}}}`)
	b.jobs(oneJob{id: "a", name: "pay-t7", state: "RUNNING", running: 1})
	const want = `t7 jobmanager.job tags{job_id="a", job_name="pay-t7", tag_cost_center="7", tag_team="pay", tag_tier="gold"} = 1`
	b.round(0).want(want)
	b.round(time.Second).want(want)
	if n := b.jm.calls("/jobs/a/config"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestTagsAreBounded(t *testing.T) {
	user := map[string]any{}
	for i := range 100 {
		user[fmt.Sprintf("%02d%s", i, strings.Repeat("k", 200))] = strings.Repeat("v", 1000)
	}
	tags := userTags(user)
	if len(tags) != maxTags {
		t.Errorf("%d tags", len(tags))
	}
	for _, x := range tags {
		if len(x.Name) > maxTagKey+10 || len(x.Value) > maxTagValue {
			t.Errorf("%d and %d bytes", len(x.Name), len(x.Value))
		}
	}
	for _, key := range []string{"s3.secret-key", "DB_PASSWORD", "auth-token", "sasl.credentials", "api-key", "aws.access.key"} {
		if tags := userTags(map[string]any{key: "x"}); len(tags) > 0 {
			t.Errorf("%s is told: %s", key, tags)
		}
	}
}
