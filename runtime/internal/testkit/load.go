// Package testkit makes the load that the tests and benchmarks of several
// packages share. Nothing that ships imports it.
package testkit

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// Epoch is the report_timestamp of the load's first report, Unix milliseconds.
const Epoch = 1_763_800_000_000

// Metrics is how many metrics each task of the load reports.
const Metrics = 100

// Flat returns one report of a production-like fleet: for each task 100 metrics,
// each a flat record of about 600 bytes with ten labels, ids of 32 digits and SQL
// operator chains as names, in the order in which a partition holds them.
func Flat(tasks int) [][]byte {
	out := make([][]byte, 0, tasks*Metrics)
	for t := range tasks {
		labels := fmt.Sprintf(`"host":"node-%04d","tm_id":"container_1763_%04d_01_%06d","job_id":"%032x","job_name":"rt_orders_%04d","task_id":"%032x",`+
			`"task_name":"%s","task_attempt_num":"0","operator_id":"%032x","operator_name":"Source: kafka_orders[1]","subtask_index":"%d"`,
			t%300, t/8, t%8, t/8, t/8, t/8+7, TaskName(t), t/8+9, t%8)
		for m := range Metrics {
			out = append(out, fmt.Appendf(nil, `{"torrent_task_id":"t-%06d","report_timestamp":%d,"metric":"%s","type":"%s","value":%s,"labels":{%s}}`,
				t, Epoch, MetricName(m), kind(m), value(t, m), labels))
		}
	}
	return out
}

// MetricName is the series name of metric m.
func MetricName(m int) string {
	return fmt.Sprintf("flink_taskmanager_job_task_operator_metricNumber%02dPerSecond", m)
}

// TaskName is the name of the task that t is a subtask of.
func TaskName(t int) string {
	return fmt.Sprintf("Source: kafka_orders_%d[1] -> Calc[2] -> WatermarkAssigner[3] -> Calc[4]", t/8%12)
}

func kind(m int) string {
	if m%3 == 0 {
		return "counter"
	}
	return "gauge"
}

func value(t, m int) string {
	if m%3 == 0 {
		return fmt.Sprint(t*1000 + m)
	}
	return fmt.Sprintf("%d.25", t*100+m)
}

// Grouped returns the same load as Sluice's own reporter sends it: a record per
// metric with four points.
func Grouped(tasks int) [][]byte {
	out := Flat(tasks)
	for i, b := range out {
		v := strings.Replace(string(b), `,"subtask_index":"`, `,"x":"`, 1)
		cut := strings.Index(v, `"value":`)
		labels := v[strings.Index(v, `"labels":`) : len(v)-1]
		v = strings.Replace(v[:cut], `"counter"`, `"gauge"`, 1) + labels
		out[i] = fmt.Appendf(nil, `%s,"points":[{"s":0,"a":0,"v":%d.5},{"s":1,"a":0,"v":%d.5},{"s":2,"a":0,"v":1},{"s":3,"a":0,"v":2}]}`, v, i, i)
	}
	return out
}

// Policy returns a team with n control rules, of which those about the load drop
// 40 of its 100 metrics, and rewrites that drop four labels, shorten the task
// name and rename a label.
func Policy(n int) policy.Team {
	all := func(metrics ...string) policy.Ordered {
		return policy.Ordered{Enabled: true, Order: 100, Match: policy.Match{Metrics: metrics}}
	}
	team := policy.Team{Name: "platform", Control: map[string]policy.Control{}, Rewrite: map[string]policy.Rewrite{
		"drop-ids": {Ordered: all("*"), Action: "drop-labels", Labels: []string{"tm_id", "task_id", "operator_id", "task_attempt_num"}},
		"operator": {Ordered: all("*"), Action: "rename-label", From: "operator_name", To: "operator"},
		"name":     {Ordered: all("*"), Action: "short-id", Label: "task_name", Length: 12, Longer: 20},
	}}
	for i := range n {
		pattern := fmt.Sprintf("*_metricNumber%d?PerSecond", i)
		if i >= 4 {
			pattern = fmt.Sprintf("*_other%d_*", i)
		}
		team.Control[fmt.Sprint("rule-", i)] = policy.Control{Ordered: all(pattern), Tier: "tenant", Action: "drop", Reason: "noise"}
	}
	return team
}

// Report returns record i of endless reports of load, each ten seconds after the
// one before, and the number of its report.
func Report(load [][]byte, i int) (round int, record []byte) {
	round = i / len(load)
	return round, bytes.Replace(load[i%len(load)], epoch, strconv.AppendInt(nil, Epoch+int64(round)*10_000, 10), 1)
}

var epoch = strconv.AppendInt(nil, Epoch, 10)

// Key is the Kafka key of record i: its task, so that the records of a task are
// neighbours in one partition.
func Key(i int) []byte { return fmt.Appendf(nil, "t-%06d", i/Metrics%2000) }
