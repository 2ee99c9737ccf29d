package collector

import (
	"regexp"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Identity decides which task a record belongs to, in the order of Flink's
// reporter: a fixed id, what an expression finds in the name of the job, the id
// of the job.
type Identity struct {
	// TaskID, when set, is the task of everything: for a cluster with one job.
	TaskID string

	// JobName finds the task in the name of a job: its group named id, else its
	// first group, else all that it matches. Other groups with a name become tags.
	JobName *regexp.Regexp

	// ClusterID is the task of what belongs to no job.
	ClusterID string
}

// cluster is the task of what belongs to no job.
func (i Identity) cluster() string {
	if i.TaskID != "" {
		return i.TaskID
	}
	return i.ClusterID
}

func (i Identity) job(id, name string) string {
	if task := i.named(name); task != "" {
		return task
	}
	return id
}

// named is the task of all jobs of a name, whatever their ids; "" when only the
// id of a job says what its task is.
func (i Identity) named(name string) string {
	if i.TaskID != "" || i.JobName == nil {
		return i.TaskID
	}
	m := i.JobName.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	if at := i.JobName.SubexpIndex("id"); at > 0 {
		return m[at]
	}
	return m[min(1, len(m)-1)]
}

// tags are the named parts of a job's name.
func (i Identity) tags(name string) metric.Labels {
	if i.JobName == nil {
		return nil
	}
	var tags metric.Labels
	m := i.JobName.FindStringSubmatch(name)
	for at, group := range i.JobName.SubexpNames() {
		if m != nil && group != "" && group != "id" && m[at] != "" {
			tags = append(tags, metric.Label{Name: "tag_" + group, Value: cut(m[at], maxLabel)})
		}
	}
	return tags
}
