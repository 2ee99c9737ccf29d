package record

import (
	"math"

	gocmp "github.com/google/go-cmp/cmp"
)

// Records of every form, as tests and fuzzing start from.
const (
	meterRecord = `{"v":1,"torrent_task_id":"t-184467","report_timestamp":1763800000123,"rid":"7f3c9a","seq":8123,"cv":42,` +
		`"origin":"native","scope":"taskmanager.job.task","metric":"numRecordsInPerSecond","type":"meter",` +
		`"labels":{"host":"10.1.2.3","task_name":"Source: orders[1]"},` +
		`"points":[{"s":0,"a":0,"c":8744577,"r":689.48},{"s":1,"a":0,"c":8744581,"r":690.02}]}`
	flatGaugeRecord = `{"torrent_task_id":"t-1","report_timestamp":1763800000123,"metric":"flink_jobmanager_job_uptime",` +
		`"type":"gauge","value":123.25,"labels":{"host":"a","job_id":"b"}}`
	counterRecord = `{"v":1,"torrent_task_id":"t","report_timestamp":1,"metric":"numRecordsIn","type":"counter",` +
		`"labels":{},"points":[{"s":0,"a":3,"c":9223372036854775807},{"s":1,"l":{"k":"v"},"c":-4}]}`
	histogramRecord = `{"v":1,"torrent_task_id":"t","report_timestamp":1,"metric":"mailboxLatencyMs","type":"histogram","labels":{},` +
		`"points":[{"s":0,"a":0,"c":17,"n":60,"min":0,"max":4.5,"mean":1.25,"sd":0.5,"q":{"0.5":1,"0.99":4,"0.999":"NaN"}},{"s":1,"c":1}]}`
	gaugesRecord = `{"v":1,"torrent_task_id":"t","report_timestamp":1,"metric":"g","type":"gauge","labels":{},` +
		`"points":[{"s":0,"v":"NaN"},{"s":1,"v":-9223372036854775808},{"s":2,"b":true},{"s":3,"t":"é \" x\\"},{"s":4,"v":null},{"s":5,"v":1e-7}]}`
	endRecord = `{"v":1,"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","labels":{"a":"b"},"end":true,"points":[{"s":0},{"s":1,"a":2}]}`
	closing   = `{"v":1,"torrent_task_id":"t","report_timestamp":1,"rid":"r","seq":7,"cv":1,"metric":"_report","n":215}`
)

var seeds = []string{
	meterRecord, flatGaugeRecord, counterRecord, histogramRecord, gaugesRecord, endRecord, closing,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":"RUNNING"}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":"-Inf","labels":{}}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":null}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":true}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"counter","value":12}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"meter","value":0.1}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"meter","end":true}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"counter","value":3,"end":true}`,
	` { "value" : 1 , "labels" : { "a" : "b" , "a" : "c" } , "type" : "gauge" , "metric" : "m" , "report_timestamp" : 5 , "torrent_task_id" : "t" } `,
	`{"torrent_task_id": "t", "report_timestamp": 1, "metric": "m", "type": "meter", "labels": {"a": "b"}, "points": [{"s": 0,"a":  11,"c": 2,"r": 1.5}, {"c":1,"r": 2}]}`,
	`{"points":[{"v":1}],"type":"gauge","metric":"m","report_timestamp":5,"torrent_task_id":"t","to":["store","team-a"]}`,
	`{"torrent_task_id":"t","torrent_task_id":"u","report_timestamp":1,"metric":"m","type":"x","type":"counter","value":"a","value":3}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","points":[{"v":1,"s":2,"v":3,"c":1},{"r":1,"t":"x","b":false},{"x":[{}],"v":2}]}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"meter","points":[{"r":"Inf"},{"c":1,"r":1.5e3}]}`,
	`{"torrent_task_id":"t\\","scope":"\",\"scope\":\"","report_timestamp":1,"metric":"m","type":"gauge","value":1}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"_r\u0065port","n":1,"type":"meter","labels":{"a":"b"}}`,
	`{"\u0074ype":"g\u0061uge","torrent_task_id":"\ud83d\ude00","report_timestamp":1,"metric":"m","value":1,"other":{"a":[1,-0.5e+3,true,null]}}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"histogram","points":[{"c":1,"q":{"0.5":1,"0\u002e5":2,"1":3}}]}`,
	"{\"torrent_task_id\":\"t\xff\",\"report_timestamp\":1,\"metric\":\"m\",\"type\":\"gauge\",\"value\":1}",
	`{"torrent_task_id":"\ud800","report_timestamp":1,"metric":"m","type":"gauge","value":1}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":1e400}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":123456789012345678901234567890.5e-10}`,
	`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"counter","value":9223372036854775808}`,
	`[]`, ``, `{}`, `null`, `{"v":2}`,
}

// sameBits compares decoded values exactly: -0 is not 0, a NaN is any NaN.
var sameBits = gocmp.Comparer(func(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
})
