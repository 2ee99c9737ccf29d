package collector

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/host"
)

func TestCluster(t *testing.T) {
	b := newBench(t)
	b.jm.set("/taskmanagers", fmt.Sprintf(`{"taskmanagers":[
		{"id":"tm-1","path":"pekko.tcp://flink@10.1.2.3:6122/user/rpc/taskmanager_0","timeSinceLastHeartbeat":%d,"slotsNumber":4,"freeSlots":1,
		 "hardware":{"cpuCores":8,"physicalMemory":4096},"memoryConfiguration":{"taskHeap":100,"managedMemory":50,"networkMemory":null}},
		{"id":"tm-2","path":"akka://local","timeSinceLastHeartbeat":1500}]}`, begin.Add(7*time.Second).UnixMilli()))
	r := b.round(10 * time.Second)
	r.want(`
		session jobmanager.cluster up{} = 1
		session jobmanager.cluster version{} = 2.1.0
		session jobmanager.cluster taskmanagers{} = 2
		session jobmanager.cluster slots{} = 8
		session jobmanager.cluster slots_available{} = 3
		session jobmanager.cluster jobs{state="failed"} = 2
		session jobmanager.taskmanager slots{host="10.1.2.3", tm_id="tm-1"} = 4
		session jobmanager.taskmanager free_slots{host="10.1.2.3", tm_id="tm-1"} = 1
		session jobmanager.taskmanager heartbeat_age_seconds{host="10.1.2.3", tm_id="tm-1"} = 3
		session jobmanager.taskmanager heartbeat_age_seconds{tm_id="tm-2"} = 1.5
		session jobmanager.taskmanager cpu_cores{host="10.1.2.3", tm_id="tm-1"} = 8
		session jobmanager.taskmanager physical_memory_bytes{host="10.1.2.3", tm_id="tm-1"} = 4096
		session jobmanager.taskmanager memory_bytes{area="taskHeap", host="10.1.2.3", tm_id="tm-1"} = 100
		session jobmanager.taskmanager memory_bytes{area="networkMemory", host="10.1.2.3", tm_id="tm-1"} = -
		session collector rounds{host="here"} = +1`)
	b.jm.set("/taskmanagers", `{"taskmanagers":[{"id":"tm-2","path":"akka://local","slotsNumber":4}]}`)
	b.round(10 * time.Second).ends(`session jobmanager.taskmanager slots{host="10.1.2.3", tm_id="tm-1"}`)
}

// A JobManager that is gone is down, ends nothing, and is logged once a minute.
func TestDeadJobManager(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1})
	b.round(0).want(`a jobmanager.job running{job_id="a", job_name="pay"} = 1`)
	b.jm.set("/overview", "500")
	for range 5 {
		r := b.round(10 * time.Second)
		r.want("session jobmanager.cluster up{} = 0\na jobmanager.job running{job_id=\"a\", job_name=\"pay\"} = -")
		r.ends()
	}
	if down := b.c.Down(); len(down) != 1 {
		t.Errorf("down are %v", down)
	}
	if n := strings.Count(b.log.String(), "call=overview"); n != 1 {
		t.Errorf("%d lines in 50 s: %s", n, b.log.String())
	}
	if n := b.jm.calls("/jobs/overview"); n != 1 {
		t.Errorf("one that does not answer was asked for more: %d times", n-1)
	}
	b.round(time.Minute).want(`session collector errors{call="overview", host="here"} = +6`)
	if n := strings.Count(b.log.String(), "call=overview"); n != 2 {
		t.Errorf("%d lines after a minute: %s", n, b.log.String())
	}
	b.jm.set("/overview", "{}")
	b.round(10 * time.Second).want("session jobmanager.cluster up{} = 1\na jobmanager.job running{job_id=\"a\", job_name=\"pay\"} = 1")
	if down := b.c.Down(); len(down) != 0 {
		t.Errorf("down are %v", down)
	}
}

func TestHangingJobManagerDoesNotHoldTheRound(t *testing.T) {
	b := newBench(t)
	b.jm.hang = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b.read(b.c.Round(ctx, b.now)).want("session jobmanager.cluster up{} = 0")
}

// A collector that is stopped while it asks does not say that Flink is down.
func TestCalledOff(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := b.c.Round(ctx, b.now); got != nil {
		t.Errorf("%d records", len(got))
	}
	if b.log.Len() > 0 {
		t.Errorf("logged: %s", b.log.String())
	}
}

// One call that fails costs what it would have answered, and ends nothing.
func TestEachCallMayFail(t *testing.T) {
	prepare := func(b *bench) {
		b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", running: 1}, oneJob{id: "b", name: "ship", state: "RUNNING", running: 1})
		b.jm.set("/jobs/a/checkpoints", `{"counts":{"completed":3}}`)
		b.jm.set("/jobs/a/checkpoints/config", `{"interval":1000}`)
		b.jm.set("/jobs/a/vertices/v1/metrics", kafkaMetrics("0", "orders", 0, 7))
		b.jm.set("/taskmanagers", `{"taskmanagers":[{"id":"tm","slotsNumber":4}]}`)
	}
	for path, lost := range map[string]string{
		"/taskmanagers":               `session jobmanager.taskmanager slots{tm_id="tm"}`,
		"/jobs/overview":              `a jobmanager.job running{job_id="a", job_name="pay"}`,
		"/jobs/a":                     `a jobmanager.job uptime_seconds{job_id="a", job_name="pay"}`,
		"/jobs/a/metrics":             "",
		"/jobs/a/config":              "",
		"/jobs/a/exceptions":          "",
		"/jobs/a/checkpoints":         `a jobmanager.job.checkpoint completed{job_id="a", job_name="pay"}`,
		"/jobs/a/vertices/v1/metrics": `a kafka.source.partition current_offset{job_id="a", job_name="pay", partition="0", source="Source__orders", topic="orders"}`,
	} {
		for _, answer := range []string{"500", `{"jobs":[`, `[{"id":`, "<html>"} {
			t.Run(path+" "+answer, func(t *testing.T) {
				b := newBench(t)
				prepare(b)
				first := b.round(0)
				if _, there := first.value[lost]; lost != "" && !there {
					t.Fatalf("%s is not there to begin with:\n%s", lost, first.near(lost))
				}
				b.jm.set(path, answer)
				b.jobsRestart("a")
				r := b.round(10 * time.Second)
				if path != "/jobs/overview" {
					r.want(`b jobmanager.job running{job_id="b", job_name="ship"} = 1`)
				}
				if lost != "" {
					r.want(lost + " = -")
				}
				r.ends()
				if path != "/jobs/a/config" && !strings.Contains(b.log.String(), "collecting failed") { // it is not asked twice
					t.Errorf("nothing is logged: %s", b.log.String())
				}
			})
		}
	}
}

// jobsRestart makes the next answer say that the job began to run anew.
func (b *bench) jobsRestart(id string) {
	if text := b.jm.answers["/jobs/"+id]; strings.HasPrefix(text, "{\"jid\"") {
		b.jm.set("/jobs/"+id, regexp.MustCompile(`"RUNNING":1763\d+`).ReplaceAllString(text, `"RUNNING":1763800005000`))
	}
}

func TestTwoClusters(t *testing.T) {
	other := newBench(t)
	b := newBench(t, func(o *Options) { o.Clusters = append(o.Clusters, other.c.opts.Clusters...) })
	other.jm.set("/overview", "500")
	records := b.c.Round(t.Context(), b.now)
	var ups []string
	for _, r := range records {
		if strings.Contains(string(r.Value), `"metric":"up"`) {
			_, labels, _ := strings.Cut(string(r.Value), `"labels":`)
			ups = append(ups, labels)
		}
	}
	want := fmt.Sprintf(`{"cluster":"%s"},"points":[{"v":1}]} {"cluster":"%s"},"points":[{"v":0}]}`, b.c.clusters[0].name, b.c.clusters[1].name)
	if got := strings.Join(ups, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHost(t *testing.T) {
	files := fstest.MapFS{"loadavg": {Data: []byte("1 2 3 4/5 6\n")}, "stat": {Data: []byte("ctxt 7\n")}}
	c := New(Options{Host: host.New(host.Options{Proc: files}), HostName: "here", RID: "a1b2c3d4e5f6", Identity: Identity{ClusterID: "rack"}})
	b := &bench{t: t, c: c, now: begin}
	b.round(0).want(`
		rack host load{host="here", minutes="5"} = 2
		rack host context_switches{host="here"} = +7`)
	delete(files, "loadavg")
	b.round(10 * time.Second).ends(`rack host load{host="here", minutes="5"}`)
}

// The table documents what there is: each entry once, with a meaning.
func TestTable(t *testing.T) {
	if len(Metrics()) != firstOfHost+len(host.Metrics) {
		t.Errorf("%d entries", len(Metrics()))
	}
	names := map[string]bool{}
	for i, m := range Metrics() {
		if m.Scope == "" || m.Name == "" || m.Meaning == "" || m.Kind == 0 || names[m.Scope+" "+m.Name] {
			t.Errorf("entry %d is incomplete or there twice: %+v", i, m)
		}
		names[m.Scope+" "+m.Name] = true
		for unit, suffix := range map[string]string{"s": "_seconds", "bytes": "_bytes", "ms": "milliseconds", "µs": "_microseconds"} {
			if m.Unit == unit && !strings.HasSuffix(m.Name, suffix) {
				t.Errorf("%s %s does not end with its unit", m.Scope, m.Name)
			}
		}
	}
}

func TestManyPointsTakeSeveralRecords(t *testing.T) {
	b := newBench(t)
	var tms []string
	for i := range 2500 {
		tms = append(tms, fmt.Sprintf(`{"id":"tm-%d","slotsNumber":4}`, i))
	}
	b.jm.set("/taskmanagers", `{"taskmanagers":[`+strings.Join(tms, ",")+`]}`)
	b.round(0).want(`session jobmanager.taskmanager slots{tm_id="tm-2499"} = 4`)
	b.jm.set("/taskmanagers", `{"taskmanagers":[]}`)
	b.round(time.Second).ends(`session jobmanager.taskmanager slots{tm_id="tm-0"}`, `session jobmanager.taskmanager slots{tm_id="tm-2499"}`)
}

func TestJobsAreAskedAFewAtATime(t *testing.T) {
	b := newBench(t)
	var jobs []oneJob
	for i := range 50 {
		jobs = append(jobs, oneJob{id: fmt.Sprintf("j%d", i), name: fmt.Sprintf("job %d", i), state: "RUNNING", running: 1})
	}
	jobs = append(jobs, jobs[0]) // listed twice
	b.jobs(jobs...)
	r := b.round(0)
	for i := range 50 {
		r.want(fmt.Sprintf(`j%d jobmanager.job running{job_id="j%d", job_name="job %d"} = 1`, i, i, i))
	}
	if n := b.jm.calls("/jobs/j0"); n != 1 {
		t.Errorf("a job that is listed twice was asked %d times", n)
	}
}

func TestIdentity(t *testing.T) {
	named := regexp.MustCompile(`^(?P<team>[a-z]+)-(?P<id>t\d+)(?:@(?P<env>\w+))?$`)
	first := regexp.MustCompile(`^job (\w+)`)
	whole := regexp.MustCompile(`t-\d+`)
	for _, c := range []struct {
		id                    Identity
		job, task, lines, tag string
	}{
		{Identity{}, "pay", "a1", "", "{}"},
		{Identity{TaskID: "t-9", JobName: first}, "job x", "t-9", "t-9", "{}"},
		{Identity{JobName: named}, "pay-t7@prod", "t7", "t7", `{tag_team="pay", tag_env="prod"}`},
		{Identity{JobName: named}, "pay-t7", "t7", "t7", `{tag_team="pay"}`},
		{Identity{JobName: named}, "other", "a1", "", "{}"},
		{Identity{JobName: first}, "job x", "x", "x", "{}"},
		{Identity{JobName: whole}, "pay t-12 prod", "t-12", "t-12", "{}"},
	} {
		if got := c.id.job("a1", c.job); got != c.task {
			t.Errorf("%q: task %q, want %q", c.job, got, c.task)
		}
		if got := c.id.named(c.job); got != c.lines {
			t.Errorf("%q: task of the name %q, want %q", c.job, got, c.lines)
		}
		if got := c.id.tags(c.job).String(); got != c.tag {
			t.Errorf("%q: tags %s, want %s", c.job, got, c.tag)
		}
	}
}

func TestHeartbeatAndHost(t *testing.T) {
	for path, want := range map[string]string{
		"pekko.tcp://flink@10.1.2.3:6122/user/rpc/taskmanager_0": "10.1.2.3", "pekko://flink/user/rpc/taskmanager_0": "", "": "", ":": "",
	} {
		if got := hostOf(path); got != want {
			t.Errorf("%q: host %q, want %q", path, got, want)
		}
	}
	if got := heartbeatAge(float64(begin.Add(time.Minute).UnixMilli()), begin); got != 0 {
		t.Errorf("a heartbeat of the future is %v s old", got)
	}
}
