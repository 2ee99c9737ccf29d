package flinkrest

import (
	"context"
	"net/url"
)

// Overview returns what the cluster is.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	var out Overview
	err := c.get(ctx, &out, "", "overview")
	return out, err
}

// Jobs lists all jobs that the JobManager remembers, also those that ended. What
// has no identifier is left out.
func (c *Client) Jobs(ctx context.Context) ([]Summary, error) {
	var out struct{ Jobs []Summary }
	if err := c.get(ctx, &out, "", "jobs", "overview"); err != nil {
		return nil, err
	}
	jobs := out.Jobs[:0]
	for _, j := range out.Jobs {
		if j.State == "" {
			j.State = j.Status
		}
		if j.ID() != "" {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// Job returns the details of a job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var out Job
	err := c.get(ctx, &out, "", "jobs", id)
	return out, err
}

// Exceptions returns the failures of a job, the last twenty at most. Versions
// before 1.13 have no history; then Root is all there is.
func (c *Client) Exceptions(ctx context.Context, id string) (Exceptions, error) {
	var out Exceptions
	err := c.get(ctx, &out, "maxExceptions=20", "jobs", id, "exceptions")
	return out, err
}

// Checkpoints returns how checkpointing of a job goes. IsNotFound is true of the
// error when the job takes none.
func (c *Client) Checkpoints(ctx context.Context, id string) (Checkpoints, error) {
	var out Checkpoints
	err := c.get(ctx, &out, "", "jobs", id, "checkpoints")
	return out, err
}

// CheckpointConfig returns how often a job is to take checkpoints.
func (c *Client) CheckpointConfig(ctx context.Context, id string) (CheckpointConfig, error) {
	var out CheckpointConfig
	err := c.get(ctx, &out, "", "jobs", id, "checkpoints", "config")
	return out, err
}

// JobConfig returns the configuration of a job.
func (c *Client) JobConfig(ctx context.Context, id string) (JobConfig, error) {
	var out JobConfig
	err := c.get(ctx, &out, "", "jobs", id, "config")
	return out, err
}

// TaskManagers lists the task managers that are registered.
func (c *Client) TaskManagers(ctx context.Context) ([]TaskManager, error) {
	var out struct{ TaskManagers []TaskManager }
	err := c.get(ctx, &out, "", "taskmanagers")
	return out.TaskManagers, err
}

// JobMetrics returns the values that metrics of a job have; those that it does
// not have are missing.
func (c *Client) JobMetrics(ctx context.Context, id string, metrics ...string) (map[string]string, error) {
	return c.values(ctx, metrics, "jobs", id, "metrics")
}

// VertexMetricIDs lists the metrics of a vertex: "<subtask>.<operator>.<metric>".
func (c *Client) VertexMetricIDs(ctx context.Context, job, vertex string) ([]string, error) {
	var out []MetricValue
	if err := c.get(ctx, &out, "", "jobs", job, "vertices", vertex, "metrics"); err != nil {
		return nil, err
	}
	ids := make([]string, len(out))
	for i, m := range out {
		ids[i] = m.ID
	}
	return ids, nil
}

// VertexMetrics is JobMetrics for the metrics of a vertex.
func (c *Client) VertexMetrics(ctx context.Context, job, vertex string, metrics ...string) (map[string]string, error) {
	return c.values(ctx, metrics, "jobs", job, "vertices", vertex, "metrics")
}

// maxQuery bounds what one call asks for: Flink's server takes request lines of
// at most 4 KiB.
const maxQuery = 3 << 10

func (c *Client) values(ctx context.Context, metrics []string, path ...string) (map[string]string, error) {
	values := make(map[string]string, len(metrics))
	for len(metrics) > 0 {
		query, n := "get="+url.QueryEscape(metrics[0]), 1
		for ; n < len(metrics); n++ {
			next := "," + url.QueryEscape(metrics[n])
			if len(query)+len(next) > maxQuery {
				break
			}
			query += next
		}
		var out []MetricValue
		if err := c.get(ctx, &out, query, path...); err != nil {
			return nil, err
		}
		for _, m := range out {
			values[m.ID] = m.Value
		}
		metrics = metrics[n:]
	}
	return values, nil
}
