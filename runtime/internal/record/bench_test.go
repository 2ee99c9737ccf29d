package record

import (
	"bytes"
	"fmt"
	"testing"
)

// workload is a partition as a fleet fills it: records of many tasks, those of a
// task beside each other, end to end in one buffer.
func workload(tasks int, record func(task, metric int) string) [][]byte {
	const metrics = 100
	var all bytes.Buffer
	var ends []int
	for task := range tasks {
		for m := range metrics {
			all.WriteString(record(task, m))
			ends = append(ends, all.Len())
		}
	}
	var records [][]byte
	from := 0
	for _, end := range ends {
		records = append(records, all.Bytes()[from:end])
		from = end
	}
	return records
}

func labelsOf(task int) string {
	return fmt.Sprintf(`{"host":"sz-yarn-%04d","tm_id":"container_1763_%04d_01_%06d","job_id":"%032x","job_name":"rt_dwd_order_detail_%04d",`+
		`"task_id":"%032x","task_name":"Source: kafka_dwd_order_detail_di[1] -> Calc[2] -> WatermarkAssigner[3] -> Calc[4]",`+
		`"task_attempt_num":"%d","operator_id":"%032x","operator_name":"Source: kafka_dwd_order_detail_di[1]","subtask_index":"%d"}`,
		task%300, task/8, task%8+2, task/8*7919, task/8, task/8*104729, task%3, task*31, task%8)
}

func flatRecord(task, m int) string {
	return fmt.Sprintf(`{"torrent_task_id":"t-%06d","report_timestamp":%d,"metric":"flink_taskmanager_job_task_numRecordsInPerSecond_%02d",`+
		`"type":"gauge","value":%d.%03d,"labels":%s}`, task, 1763800000000+m, m, task*m%977, m, labelsOf(task))
}

func groupedRecord(task, m int) string {
	var points bytes.Buffer
	for p := range 4 {
		if p > 0 {
			points.WriteByte(',')
		}
		fmt.Fprintf(&points, `{"s":%d,"a":0,"c":%d,"r":%d.%02d}`, p, 8744577+task*m+p, 689+m, 48+p)
	}
	return fmt.Sprintf(`{"v":1,"torrent_task_id":"t-%06d","report_timestamp":%d,"rid":"7f3c9a","seq":%d,"cv":42,"origin":"native",`+
		`"scope":"taskmanager.job.task","metric":"numRecordsInPerSecond_%02d","type":"meter","labels":%s,"points":[%s]}`,
		task, 1763800000000+m, 8000+m, m, labelsOf(task), points.String())
}

func shuffledRecord(task, m int) string {
	return fmt.Sprintf(`{"labels":%s,"value":%d.%03d,"type":"gauge","metric":"flink_taskmanager_job_task_numRecordsInPerSecond_%02d",`+
		`"report_timestamp":%d,"torrent_task_id":"t-%06d"}`, labelsOf(task), task*m%977, m, m, 1763800000000+m, task)
}

func BenchmarkScan(b *testing.B) {
	cases := []struct {
		name   string
		tasks  int // 1 stays in the cache, 500 are 30 MB
		record func(task, m int) string
		strict bool
	}{
		{"flat/hot", 1, flatRecord, false},
		{"flat/cold", 500, flatRecord, false},
		{"flat/strict", 1, flatRecord, true},
		{"grouped4/hot", 1, groupedRecord, false},
		{"grouped4/cold", 500, groupedRecord, false},
		{"grouped4/strict", 1, groupedRecord, true},
		{"learned/hot", 1, shuffledRecord, false},
		{"learned/strict", 1, shuffledRecord, true},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			records := workload(c.tasks, c.record)
			s := NewScanner()
			var v View
			b.SetBytes(int64(len(records[0])))
			b.ReportAllocs()
			scan := s.Scan
			if c.strict {
				scan = s.Strict
			}
			i := 0
			for b.Loop() {
				if err := scan(records[i], &v); err != nil {
					b.Fatal(err)
				}
				if i++; i == len(records) {
					i = 0
				}
			}
		})
	}
}
