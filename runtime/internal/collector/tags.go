package collector

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Bounds on the tags of a job.
const (
	maxTags     = 20
	maxTagKey   = 64
	maxTagValue = 128
)

// secretKey finds what a user configuration must not tell. Flink masks some of
// it; a job may put all of its arguments there.
var secretKey = regexp.MustCompile(`(?i)passw|secret|token|credential|private|apikey|api[-_.]key|access[-_.]?key|auth`)

// tagsRound asks once per job for its configuration and sends the tags again in
// every round.
func (j *job) tagsRound(ctx context.Context, f *findings, name string) {
	if j.tags == nil {
		config, err := j.cluster.api.JobConfig(ctx, j.id)
		if !j.try(f, "tags", err) {
			return
		}
		tags := userTags(config.Execution.User)
		for _, t := range j.cluster.identity.tags(name) { // what the operator says wins
			tags = tags.Set(t.Name, t.Value)
		}
		j.tags = &section{key: j.key("tags"), task: j.task, labels: j.labels}
		if len(tags) > 0 {
			j.tags.level(jobTags, 1, tags...)
		}
	}
	f.sections = append(f.sections, j.tags)
}

// userTags makes tags of the user configuration of a job, in the order of its
// keys; what is a secret by its key or masked already is left out.
func userTags(user map[string]any) metric.Labels {
	var tags metric.Labels
	for _, key := range slices.Sorted(maps.Keys(user)) {
		value := fmt.Sprint(user[key])
		if secretKey.MatchString(key) || value == "" || value == "******" || user[key] == nil {
			continue
		}
		if tags = tags.Set("tag_"+metric.LabelName(cut(key, maxTagKey)), cut(value, maxTagValue)); len(tags) == maxTags {
			break
		}
	}
	return tags
}
