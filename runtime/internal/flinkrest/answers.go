package flinkrest

import (
	"cmp"
	"encoding/json"
)

// Overview is what a cluster is.
type Overview struct {
	TaskManagers   Number `json:"taskmanagers"`
	Slots          Number `json:"slots-total"`
	SlotsAvailable Number `json:"slots-available"`
	Running        Number `json:"jobs-running"`
	Finished       Number `json:"jobs-finished"`
	Cancelled      Number `json:"jobs-cancelled"`
	Failed         Number `json:"jobs-failed"`
	Version        string `json:"flink-version"`
}

// Summary is a job in the list of all.
type Summary struct {
	JID     string `json:"jid"`
	Other   string `json:"id"` // what /jobs calls jid
	Name    string `json:"name"`
	State   string `json:"state"`
	Status  string `json:"status"` // what /jobs calls state
	Started Number `json:"start-time"`
}

// ID returns the identifier, "" when the answer has none.
func (s Summary) ID() string { return cmp.Or(s.JID, s.Other) }

// Job is what there is to know about one job. Times are Unix milliseconds of the
// JobManager.
type Job struct {
	Started    Number            `json:"start-time"`
	Now        Number            `json:"now"`
	Timestamps map[string]Number `json:"timestamps"` // by state: when it was last entered
	Vertices   []Vertex          `json:"vertices"`
	Plan       Plan              `json:"plan"`
}

// Vertex is a task of a job with all its subtasks.
type Vertex struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Parallelism Number            `json:"parallelism"`
	Status      string            `json:"status"`
	Tasks       map[string]Number `json:"tasks"` // how many subtasks there are by state
	Metrics     VertexMetrics     `json:"metrics"`
}

// VertexMetrics are sums over the subtasks of the running attempts. Times are
// milliseconds. The JobManager fetches them from the task managers when it is
// asked: what it does not have yet counts as 0, and the sum is Partial.
type VertexMetrics struct {
	ReadBytes     Number `json:"read-bytes"`
	WriteBytes    Number `json:"write-bytes"`
	ReadRecords   Number `json:"read-records"`
	WriteRecords  Number `json:"write-records"`
	BackPressured Number `json:"accumulated-backpressured-time"`
	Idle          Number `json:"accumulated-idle-time"`
	Busy          Number `json:"accumulated-busy-time"`

	PartialRead  Partial `json:"read-records-complete"`
	PartialWrite Partial `json:"write-records-complete"`
}

// Partial says that an answer calls a sum not complete.
type Partial bool

// UnmarshalJSON takes whatever is not false for complete.
func (p *Partial) UnmarshalJSON(b []byte) error {
	*p = string(b) == "false"
	return nil
}

// Plan says how the vertices of a job hang together.
type Plan struct{ Nodes []PlanNode }

// PlanNode is a vertex; a source has no inputs.
type PlanNode struct {
	ID     string            `json:"id"`
	Inputs []json.RawMessage `json:"inputs"`
}

// UnmarshalJSON leaves out a plan of a form that is not known: it only saves calls.
func (p *Plan) UnmarshalJSON(b []byte) error {
	var known struct {
		Nodes []PlanNode `json:"nodes"`
	}
	if json.Unmarshal(b, &known) == nil {
		p.Nodes = known.Nodes
	}
	return nil
}

// Exceptions are the failures of a job, newest first.
type Exceptions struct {
	Root    string `json:"root-exception"` // until 1.x: the newest stack trace
	RootAt  Number `json:"timestamp"`
	History struct {
		Entries []Exception `json:"entries"`
	} `json:"exceptionHistory"`
}

// Exception is one failure.
type Exception struct {
	Name       string `json:"exceptionName"` // the class
	StackTrace string `json:"stacktrace"`
	At         Number `json:"timestamp"`
}

// Checkpoints are how checkpointing of a job goes.
type Checkpoints struct {
	Counts struct {
		Restored   Number `json:"restored"`
		Total      Number `json:"total"`
		InProgress Number `json:"in_progress"`
		Completed  Number `json:"completed"`
		Failed     Number `json:"failed"`
	} `json:"counts"`
	Latest struct {
		Completed *Checkpoint `json:"completed"`
	} `json:"latest"`
	History []Checkpoint `json:"history"` // newest first, ten by default
}

// Checkpoint is one of them. Size is what was written for it, from 1.15 on; State
// is all that it refers to. Times are milliseconds.
type Checkpoint struct {
	Status    string `json:"status"` // IN_PROGRESS, COMPLETED, FAILED
	Savepoint bool   `json:"is_savepoint"`
	AckedAt   Number `json:"latest_ack_timestamp"`
	Duration  Number `json:"end_to_end_duration"`
	Size      Number `json:"checkpointed_size"`
	State     Number `json:"state_size"`
	Processed Number `json:"processed_data"`
	Persisted Number `json:"persisted_data"`
}

// CheckpointConfig is how often a job is to take checkpoints. Interval is
// milliseconds; a job without periodic checkpoints has the largest long.
type CheckpointConfig struct {
	Interval Number `json:"interval"`
}

// TaskManager is one process that runs tasks.
type TaskManager struct {
	ID   string `json:"id"`
	Path string `json:"path"`

	// Heartbeat is, despite its name in the answer, when the last one came, in
	// Unix milliseconds.
	Heartbeat Number            `json:"timeSinceLastHeartbeat"`
	Slots     Number            `json:"slotsNumber"`
	FreeSlots Number            `json:"freeSlots"`
	Hardware  Hardware          `json:"hardware"`
	Memory    map[string]Number `json:"memoryConfiguration"` // bytes
}

// Hardware is what a task manager found. Sizes are bytes.
type Hardware struct {
	Cores    Number `json:"cpuCores"`
	Physical Number `json:"physicalMemory"`
}

// JobConfig is the configuration of a job.
type JobConfig struct {
	Execution struct {
		User map[string]any `json:"user-config"`
	} `json:"execution-config"`
}

// MetricValue is the value of one metric, always as text.
type MetricValue struct {
	ID    string `json:"id"`
	Value string `json:"value"`
}
