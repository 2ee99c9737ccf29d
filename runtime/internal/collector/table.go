package collector

import (
	"github.com/sluice-metrics/sluice/runtime/internal/host"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// UnitText is the unit of what is no number.
const UnitText = "text"

// Metric is one thing that is collected.
type Metric struct {
	Scope, Name string
	Kind        metric.Kind
	Unit        string
	Meaning     string // with the labels that tell its series apart, in braces
}

// The entries of metrics.
const (
	clusterUp = iota
	clusterVersion
	clusterTaskManagers
	clusterSlots
	clusterSlotsAvailable
	clusterJobs

	tmSlots
	tmFreeSlots
	tmHeartbeat
	tmCores
	tmPhysical
	tmMemory

	jobState
	jobRunning
	jobUptime
	jobAge
	jobTasks
	jobTags
	jobRestarts
	jobResubmissions

	exceptionCount
	exceptionLast
	exceptionAt

	cpCompleted
	cpFailed
	cpRestored
	cpTotal
	cpInProgress
	cpConsecutive
	cpAge
	cpDuration
	cpSize
	cpState
	cpProcessed
	cpPersisted
	cpInterval
	cpRatio

	vertexStatus
	vertexParallelism
	vertexRunning
	vertexBusy
	vertexIdle
	vertexBackPressured
	vertexReadBytes
	vertexWriteBytes
	vertexReadRecords
	vertexWriteRecords

	partitionOffset
	partitionEnd
	partitionLag
	topicLag
	topicConsumed
	topicProduced
	topicRecovery
	topicPartitions
	topicUnread
	sourceLag
	sourceRecovery

	selfRounds
	selfErrors
	selfSeconds
	firstOfHost // host.Metrics follow
)

const (
	clusterScope     = "jobmanager.cluster"
	taskManagerScope = "jobmanager.taskmanager"
	jobScope         = "jobmanager.job"
	exceptionScope   = "jobmanager.job.exception"
	checkpointScope  = "jobmanager.job.checkpoint"
	vertexScope      = "jobmanager.job.vertex"
	partitionScope   = "kafka.source.partition"
	topicScope       = "kafka.source.topic"
	sourceScope      = "kafka.source"
	selfScope        = "collector"
)

const (
	counter = metric.Counter
	gauge   = metric.Gauge
)

// metrics is everything that a Collector may emit. All of it has the origin
// system. What concerns a cluster has the label cluster, what concerns a job also
// job_id and job_name.
var metrics = append([]Metric{
	clusterUp:             {clusterScope, "up", gauge, "", "1 when the JobManager answers"},
	clusterVersion:        {clusterScope, "version", gauge, UnitText, "version of Flink"},
	clusterTaskManagers:   {clusterScope, "taskmanagers", gauge, "", "task managers registered"},
	clusterSlots:          {clusterScope, "slots", gauge, "", "task slots"},
	clusterSlotsAvailable: {clusterScope, "slots_available", gauge, "", "task slots that nothing runs in"},
	clusterJobs:           {clusterScope, "jobs", gauge, "", "jobs that the JobManager remembers {state}"},

	tmSlots:     {taskManagerScope, "slots", gauge, "", "its slots {tm_id, host}"},
	tmFreeSlots: {taskManagerScope, "free_slots", gauge, "", "those that nothing runs in {tm_id, host}"},
	tmHeartbeat: {taskManagerScope, "heartbeat_age_seconds", gauge, "s", "time since the JobManager last heard of it {tm_id, host}"},
	tmCores:     {taskManagerScope, "cpu_cores", gauge, "cores", "processors that it sees {tm_id, host}"},
	tmPhysical:  {taskManagerScope, "physical_memory_bytes", gauge, "bytes", "memory of its machine or container {tm_id, host}"},
	tmMemory:    {taskManagerScope, "memory_bytes", gauge, "bytes", "memory configured by what it is for {area, tm_id, host}: the denominators of usage"},

	jobState:         {jobScope, "state", gauge, UnitText, "state of the job"},
	jobRunning:       {jobScope, "running", gauge, "", "1 in the state RUNNING"},
	jobUptime:        {jobScope, "uptime_seconds", gauge, "s", "time since it last began to run; 0 when it does not"},
	jobAge:           {jobScope, "age_seconds", gauge, "s", "time since it was submitted"},
	jobTasks:         {jobScope, "tasks", gauge, "", "subtasks {state}"},
	jobTags:          {jobScope, "tags", gauge, "", "1; tags of the job as labels tag_…, from its user configuration and its name"},
	jobRestarts:      {jobScope, "restarts", counter, "", "restarts of the jobs of this name: goes on when it is submitted anew"},
	jobResubmissions: {jobScope, "resubmissions", counter, "", "times that a job of this name came back with another id"},

	exceptionCount: {exceptionScope, "count", counter, "", "failures by class {exception}"},
	exceptionLast:  {exceptionScope, "last", gauge, UnitText, "start of the newest stack trace {exception}"},
	exceptionAt:    {exceptionScope, "last_timestamp_seconds", gauge, "s", "when the newest failure was, Unix time"},

	cpCompleted:   {checkpointScope, "completed", counter, "", "checkpoints completed"},
	cpFailed:      {checkpointScope, "failed", counter, "", "checkpoints failed"},
	cpRestored:    {checkpointScope, "restored", counter, "", "times that state was restored"},
	cpTotal:       {checkpointScope, "triggered", counter, "", "checkpoints begun"},
	cpInProgress:  {checkpointScope, "in_progress", gauge, "", "checkpoints under way"},
	cpConsecutive: {checkpointScope, "consecutive_failures", gauge, "", "failures since the last one that completed"},
	cpAge:         {checkpointScope, "last_completed_age_seconds", gauge, "s", "time since one completed; since the job was submitted where none has"},
	cpDuration:    {checkpointScope, "last_duration_seconds", gauge, "s", "duration of the last completed one"},
	cpSize:        {checkpointScope, "last_size_bytes", gauge, "bytes", "what was written for it; before Flink 1.15 all of the state"},
	cpState:       {checkpointScope, "last_state_bytes", gauge, "bytes", "all of the state"},
	cpProcessed:   {checkpointScope, "last_processed_bytes", gauge, "bytes", "data processed while it was taken"},
	cpPersisted:   {checkpointScope, "last_persisted_bytes", gauge, "bytes", "data in flight that it holds"},
	cpInterval:    {checkpointScope, "interval_seconds", gauge, "s", "configured interval; absent without one"},
	cpRatio:       {checkpointScope, "duration_interval_ratio", gauge, "", "duration over interval: above 1 checkpoints cannot keep up"},

	vertexStatus:        {vertexScope, "status", gauge, UnitText, "state of the vertex {task_id, task_name}"},
	vertexParallelism:   {vertexScope, "parallelism", gauge, "", "subtasks wanted {task_id, task_name}"},
	vertexRunning:       {vertexScope, "running_tasks", gauge, "", "subtasks that run {task_id, task_name}"},
	vertexBusy:          {vertexScope, "busy_milliseconds", counter, "ms", "time busy, of all subtasks {task_id, task_name}"},
	vertexIdle:          {vertexScope, "idle_milliseconds", counter, "ms", "time idle, of all subtasks {task_id, task_name}"},
	vertexBackPressured: {vertexScope, "backpressured_milliseconds", counter, "ms", "time held up by what comes after, of all subtasks {task_id, task_name}"},
	vertexReadBytes:     {vertexScope, "read_bytes", counter, "bytes", "read from other tasks {task_id, task_name}"},
	vertexWriteBytes:    {vertexScope, "written_bytes", counter, "bytes", "written to other tasks {task_id, task_name}"},
	vertexReadRecords:   {vertexScope, "read_records", counter, "", "records read from other tasks {task_id, task_name}"},
	vertexWriteRecords:  {vertexScope, "written_records", counter, "", "records written to other tasks {task_id, task_name}"},

	partitionOffset: {partitionScope, "current_offset", gauge, "", "offset of the last record that the source read {source, topic, partition}"},
	partitionEnd:    {partitionScope, "end_offset", gauge, "", "offset that the next record will have {source, topic, partition}"},
	partitionLag:    {partitionScope, "lag", gauge, "records", "records between the two {source, topic, partition}"},
	topicLag:        {topicScope, "lag", gauge, "records", "sum over the partitions {source, topic}"},
	topicConsumed:   {topicScope, "consumed_per_second", gauge, "records/s", "what the source reads, over the last minute {source, topic}"},
	topicProduced:   {topicScope, "produced_per_second", gauge, "records/s", "what is written to the topic, over the last minute {source, topic}"},
	topicRecovery:   {topicScope, "recovery_seconds", gauge, "s", "time until the lag is gone; 0: there is none, +Inf: it does not shrink {source, topic}"},
	topicPartitions: {topicScope, "partitions", gauge, "", "partitions that the source reads {source, topic}"},
	topicUnread:     {topicScope, "partitions_unread", gauge, "", "those it has not read a record of, which are in no lag {source, topic}"},
	sourceLag:       {sourceScope, "lag", gauge, "records", "sum over all sources of the job"},
	sourceRecovery:  {sourceScope, "recovery_seconds", gauge, "s", "time until the slowest of them has recovered; see kafka.source.topic"},

	selfRounds:  {selfScope, "rounds", counter, "", "rounds of this collector"},
	selfErrors:  {selfScope, "errors", counter, "", "calls that failed {cluster, call}"},
	selfSeconds: {selfScope, "round_seconds", gauge, "s", "duration of the round before"},
}, hostMetrics()...)

// Metrics lists everything that can be collected.
func Metrics() []Metric { return append([]Metric(nil), metrics...) }

func hostMetrics() []Metric {
	out := make([]Metric, len(host.Metrics))
	for i, m := range host.Metrics {
		out[i] = Metric{Scope: m.Scope, Name: m.Name, Kind: gauge, Unit: m.Unit, Meaning: m.Meaning}
		if m.Counts {
			out[i].Kind = counter
		}
	}
	return out
}
