package catalogue

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Labels that Flink's variables become, by what they are about.
var (
	jobLabels      = []string{"host", "job_id", "job_name"}
	taskLabels     = slices.Concat(jobLabels, []string{"tm_id", "task_id", "task_name", "task_attempt_id", metric.AttemptLabel, metric.SubtaskLabel})
	operatorLabels = []string{"operator_id", "operator_name"}
)

// scopeLabels are the variables of the scopes whose series several processes,
// tasks or operators of a job have.
var scopeLabels = map[string][]string{
	"taskmanager.job.task.operator": slices.Concat(taskLabels, operatorLabels),
	"taskmanager.job.task":          taskLabels,
	"taskmanager.job":               slices.Concat(jobLabels, []string{"tm_id"}),
	"taskmanager":                   {"host", "tm_id"},
	"jobmanager.job.operator":       slices.Concat(jobLabels, operatorLabels),
}

// ScopeLabels returns the labels that every series of a logical scope has, nil for
// a scope of which a job has one only. The caller must not change them.
func ScopeLabels(scope string) []string { return scopeLabels[scope] }
