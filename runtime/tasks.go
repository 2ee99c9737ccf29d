package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// TaskInfo is a task as this instance knows it: from the records that it reads, or
// because the policies or an override name it.
type TaskInfo struct {
	ID       string            `json:"id"`                 // torrent_task_id; or a job name, of a task that is only named
	Job      string            `json:"job,omitempty"`      // job_name that its records carry
	Team     string            `json:"team,omitempty"`     // its tag team
	Tags     map[string]string `json:"tags,omitempty"`     // all of them
	Enabled  bool              `json:"enabled"`            // it is not switched off
	Off      string            `json:"off,omitempty"`      // by which rule, or by whom and until when
	Override *Override         `json:"override,omitempty"` // that switches it off
	Live     bool              `json:"live"`               // it has reported to this instance within five minutes
	Series   int               `json:"series"`             // as reported, that are cached
	Samples  float64           `json:"samples_per_second"` // as reported
	Bytes    float64           `json:"bytes_per_second"`   // as reported
	Seen     time.Time         `json:"seen,omitzero"`      // report_timestamp of its last sample
}

// TaskFilter chooses tasks; what is zero chooses all.
type TaskFilter struct {
	Match string // pattern of ids or job names
	Team  string
	Off   bool // those that are switched off
}

// ErrNoTask says that this instance knows no such task.
var ErrNoTask = errors.New("this instance knows no such task")

// How long ago a task may have reported.
const (
	taskLive  = 5 * time.Minute
	taskKnown = time.Hour // as far as the caches remember
)

// Tasks lists the tasks that this instance knows, by id: those that report to its
// partitions, as far as its caches remember, and those that the policies or
// overrides name. Errors wrap ErrRejected, or are of ctx.
func (r *Runtime) Tasks(ctx context.Context, f TaskFilter) ([]TaskInfo, error) {
	matches := func(string) bool { return true }
	if f.Match != "" {
		var err error
		if matches, err = program.Matcher(f.Match); err != nil {
			return nil, fmt.Errorf("%w: match: %w", ErrRejected, err)
		}
	}
	rev := r.rev.Load()
	all := map[string]*TaskInfo{}
	if err := r.reporting(ctx, all); err != nil {
		return nil, err
	}
	r.named(rev, all)
	overrides := r.Overrides()
	var out []TaskInfo
	for _, t := range all {
		t.describe(rev.program, overrides)
		if (matches(t.ID) || t.Job != "" && matches(t.Job)) && (f.Team == "" || t.Team == f.Team) && !(f.Off && t.Enabled) {
			out = append(out, *t)
		}
	}
	slices.SortFunc(out, func(a, b TaskInfo) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// Task returns the task with an id, or the one with that job name. Errors wrap
// ErrNoTask, or are of ctx.
func (r *Runtime) Task(ctx context.Context, id string) (TaskInfo, error) {
	all, err := r.Tasks(ctx, TaskFilter{})
	if err != nil {
		return TaskInfo{}, err
	}
	for _, by := range []func(TaskInfo) string{func(t TaskInfo) string { return t.ID }, func(t TaskInfo) string { return t.Job }} {
		if i := slices.IndexFunc(all, func(t TaskInfo) bool { return by(t) == id }); i >= 0 {
			return all[i], nil
		}
	}
	return TaskInfo{}, fmt.Errorf("%w: %q", ErrNoTask, id)
}

// reporting gathers what the caches of the workers remember.
func (r *Runtime) reporting(ctx context.Context, all map[string]*TaskInfo) error {
	live := time.Now().Add(-taskLive)
	for _, h := range r.hops(&r.streams) {
		err := h.engine.Live(ctx, taskKnown, func(s *engine.Live) error {
			t := all[s.Task]
			if t == nil {
				t = &TaskInfo{ID: s.Task}
				all[s.Task] = t
			}
			t.Series++
			if s.Seconds > 0 {
				t.Samples += float64(s.Samples) / s.Seconds
				t.Bytes += float64(s.Load.Bytes) / s.Seconds
			}
			if seen := time.UnixMilli(s.Seen).UTC(); seen.After(t.Seen) {
				t.Seen, t.Live = seen, seen.After(live)
				t.Job = cmp.Or(s.Labels.Get("job_name"), t.Job)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// named adds the tasks that the policies or overrides name in full and that have
// not reported.
func (r *Runtime) named(rev *revision, all map[string]*TaskInfo) {
	jobs := map[string]bool{}
	for _, t := range all {
		jobs[t.Job] = true
	}
	add := func(name string) {
		if name != "" && !isPattern(name) && all[name] == nil && !jobs[name] {
			all[name] = &TaskInfo{ID: name}
		}
	}
	for _, team := range rev.bundle.Set.Teams {
		for _, entry := range team.Task {
			for _, name := range entry.Match.Tasks {
				add(name)
			}
		}
	}
	for _, o := range r.Overrides() {
		if o.Kind == control.OverrideTask {
			add(o.Target)
		}
	}
}

func isPattern(text string) bool {
	return strings.ContainsAny(text, "*?") || strings.HasPrefix(text, "re:")
}

// describe says what the program knows of a task.
func (t *TaskInfo) describe(p *program.Program, overrides []Override) {
	known := p.Task(t.ID, t.Job)
	if len(known.Tags) > 0 {
		t.Tags = map[string]string{}
	}
	for _, tag := range known.Tags {
		t.Tags[tag.Name] = tag.Value
	}
	t.Team, t.Enabled = t.Tags["team"], known.Disabled == program.NoRule
	for i := range overrides {
		o := &overrides[i]
		if o.Kind != control.OverrideTask {
			continue
		}
		if matches, err := program.Matcher(o.Target); err == nil && (matches(t.ID) || t.Job != "" && matches(t.Job)) {
			t.Override = o
			break
		}
	}
	if !t.Enabled {
		rule := p.Rules()[known.Disabled]
		if t.Off = string(rule.ID); t.Override != nil {
			t.Off = cmp.Or(rule.Description, t.Off)
		}
	}
}
