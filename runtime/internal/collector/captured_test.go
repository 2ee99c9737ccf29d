package collector

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestCapturedAnswers collects from a server that says what a Flink 1.14 said,
// captured by another project. That data is no part of this one.
func TestCapturedAnswers(t *testing.T) {
	dir := os.Getenv("SLUICE_FLINK_ANSWERS")
	if dir == "" {
		t.Skip("set SLUICE_FLINK_ANSWERS to the folder with jobs_with_id.json and so on")
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	details := read("jobs_with_id.json")
	var job map[string]any
	if err := json.Unmarshal([]byte(details), &job); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"jobs": []any{map[string]any{
		"jid": job["jid"], "name": job["name"], "state": job["state"], "start-time": job["start-time"],
	}}})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	const path, source = "/jobs/54a5c6e527e00e1bb861272a39fe13e4", "/vertices/bc764cd8ddf7a0cff126f51c16239658/metrics"
	b.jm.set("/jobs/overview", string(list))
	b.jm.set(path, details)
	b.jm.set(path+"/metrics", read("jobs_metric_values.json"))
	b.jm.set(path+source, read("subtask_metric_values.json"))
	b.jm.set(path+"/exceptions", `{}`)
	b.jm.set(path+"/config", `{}`)
	r := b.round(0)
	r.want(`
		session jobmanager.job restarts{job_name="State machine job"} = +1
		session jobmanager.job resubmissions{job_name="State machine job"} = +0
		54a5c6e527e00e1bb861272a39fe13e4 jobmanager.job state{job_id="54a5c6e527e00e1bb861272a39fe13e4", job_name="State machine job"} = RUNNING
		54a5c6e527e00e1bb861272a39fe13e4 jobmanager.job uptime_seconds{job_id="54a5c6e527e00e1bb861272a39fe13e4", job_name="State machine job"} = 16846.796
		54a5c6e527e00e1bb861272a39fe13e4 jobmanager.job age_seconds{job_id="54a5c6e527e00e1bb861272a39fe13e4", job_name="State machine job"} = 19918.001
		54a5c6e527e00e1bb861272a39fe13e4 jobmanager.job tasks{job_id="54a5c6e527e00e1bb861272a39fe13e4", job_name="State machine job", state="RUNNING"} = 2
		54a5c6e527e00e1bb861272a39fe13e4 jobmanager.job.vertex written_records{job_id="54a5c6e527e00e1bb861272a39fe13e4", job_name="State machine job", task_id="bc764cd8ddf7a0cff126f51c16239658", task_name="Source: Custom Source"} = +8562805
		54a5c6e527e00e1bb861272a39fe13e4 jobmanager.job.vertex busy_milliseconds{job_id="54a5c6e527e00e1bb861272a39fe13e4", job_name="State machine job", task_id="bc764cd8ddf7a0cff126f51c16239658", task_name="Source: Custom Source"} = -`)
	if b.log.Len() > 0 {
		t.Errorf("logged: %s", b.log.String())
	}
	if n := b.jm.calls(path + "/vertices/20ba6b65f97481d5570070de90e4e791/metrics"); n != 0 {
		t.Errorf("the sink was asked for its offsets %d times", n)
	}
}
