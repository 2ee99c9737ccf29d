package collector

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"time"
)

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

func identityOf(expression string) *regexp.Regexp { return regexp.MustCompile(expression) }

func lineageLines(restarts, resubmissions string) string {
	return fmt.Sprintf("session jobmanager.job restarts{job_name=\"pay\"} = %s\nsession jobmanager.job resubmissions{job_name=\"pay\"} = %s", restarts, resubmissions)
}

// Flink counts the restarts of each submission from 0; ours go on.
func TestRestartsSurviveResubmission(t *testing.T) {
	b := newBench(t)
	step := func(want string, jobs ...oneJob) {
		t.Helper()
		b.jobs(jobs...)
		b.round(10 * time.Second).want(want)
	}
	step(lineageLines("+2", "+0"), oneJob{id: "a", name: "pay", state: "RUNNING", running: 1, restarts: 2})
	step(lineageLines("+5", "+0"), oneJob{id: "a", name: "pay", state: "RUNNING", running: 2, restarts: 5})
	// It ends, and comes back as another job while the old one is still listed.
	step(lineageLines("+5", "+0"), oneJob{id: "a", name: "pay", state: "CANCELED"})
	step(lineageLines("+5", "+1"), oneJob{id: "a", name: "pay", state: "CANCELED"},
		oneJob{id: "b", name: "pay", state: "RUNNING", start: 40, running: 41, restarts: 0})
	step(lineageLines("+6", "+1"), oneJob{id: "b", name: "pay", state: "RUNNING", start: 40, running: 50, restarts: 1})
	// A new JobManager took the job over and counts from 0.
	step(lineageLines("+6", "+1"), oneJob{id: "b", name: "pay", state: "RUNNING", start: 40, running: 60, restarts: 0})
	step(lineageLines("+7", "+1"), oneJob{id: "b", name: "pay", state: "RUNNING", start: 40, running: 70, restarts: 1})
	// It vanishes at once, as in application mode, and is back after a while.
	step(lineageLines("+7", "+1"))
	step(lineageLines("+7", "+1"))
	step(lineageLines("+7", "+2"), oneJob{id: "c", name: "pay", state: "RUNNING", start: 100, running: 101})
	// The JobManager is away in between: nothing is forgotten.
	b.jm.set("/overview", "500")
	b.round(2 * time.Hour)
	b.jm.set("/overview", "{}")
	step(lineageLines("+10", "+3"), oneJob{id: "d", name: "pay", state: "RUNNING", start: 200, running: 201, restarts: 3})
}

// Two jobs of one name side by side are two jobs.
func TestSiblingsAreNoResubmission(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", restarts: 1}, oneJob{id: "b", name: "pay", state: "RUNNING", start: 5, restarts: 2})
	b.round(0).want(lineageLines("+3", "+0"))
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", restarts: 2}, oneJob{id: "c", name: "pay", state: "RUNNING", start: 9})
	b.round(time.Second).want(lineageLines("+4", "+0"))
}

func TestNamesAreForgotten(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", restarts: 1})
	b.round(0)
	b.jobs()
	r := b.round(remembers)
	r.want(lineageLines("+1", "+0"))
	r = b.round(time.Second)
	r.want(lineageLines("-", "-"))
	r.ends(`session jobmanager.job restarts{job_name="pay"}`, `session jobmanager.job resubmissions{job_name="pay"}`)
}

// With a task for the name, restarts belong to it; the id of a job is no name.
func TestTaskOfRestarts(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Identity.JobName = identityOf("t-[0-9]+") })
	b.jobs(oneJob{id: "a", name: "t-1 pay", state: "RUNNING"}, oneJob{id: "b", name: "other", state: "RUNNING"})
	b.round(0).want(`
		t-1 jobmanager.job restarts{job_name="t-1 pay"} = +0
		t-1 jobmanager.job running{job_id="a", job_name="t-1 pay"} = 1
		session jobmanager.job restarts{job_name="other"} = +0
		b jobmanager.job running{job_id="b", job_name="other"} = 1`)
}

// Old versions call the metric fullRestarts; where there is neither, what is known stays.
func TestOtherRestartMetrics(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING"})
	b.jm.set("/jobs/a/metrics", `[{"id":"fullRestarts","value":"4"}]`)
	b.round(0).want(lineageLines("+4", "+0"))
	b.jm.set("/jobs/a/metrics", `[{"id":"numRestarts","value":"NaN"}]`)
	b.round(time.Second).want(lineageLines("+4", "+0"))
}

// A JobManager gives the metrics of a job only seconds after it was first asked:
// until then nothing is known, and a 0 would turn old restarts into new ones.
func TestRestartsAreNotGuessed(t *testing.T) {
	b := newBench(t)
	b.jobs(oneJob{id: "a", name: "pay", state: "RUNNING", restarts: 1}, oneJob{id: "b", name: "pay", state: "RUNNING", restarts: 5})
	b.jm.set("/jobs/b/metrics", `[]`)
	b.round(0).want(lineageLines("-", "+0"))
	b.jm.set("/jobs/b/metrics", `[{"id":"numRestarts","value":"5"}]`)
	b.round(time.Second).want(lineageLines("+6", "+0"))
	// Of a job that comes later all restarts are new.
	b.jobs(oneJob{id: "c", name: "pay", state: "RUNNING"})
	b.jm.set("/jobs/c/metrics", `[]`)
	b.round(time.Second).want(lineageLines("+6", "+1"))
}
