package program

import "github.com/sluice-metrics/sluice/runtime/metric"

// Task is what the entries of the task section say about one task.
type Task struct {
	Tags     []TaskTag // by name
	Disabled int32     // index in Program.Rules of the entry that switches the task off, or NoRule
}

// TaskTag is a tag of a task and the entry that gives it.
type TaskTag struct {
	metric.Label
	Rule int32 // index in Program.Rules
}

// Task gathers what is known of a task. job is the job_name that its records
// carry, or "".
func (p *Program) Task(task, job string) Task {
	info := p.tasks.info(task, job)
	t := Task{Disabled: info.disabled}
	from := map[string]int32{}
	p.tasks.each(task, job, func(e *taskEntry) {
		for _, tag := range e.tags {
			if _, given := from[tag.Name]; !given {
				from[tag.Name] = e.rule
			}
		}
	})
	for _, tag := range info.tags {
		t.Tags = append(t.Tags, TaskTag{tag, from[tag.Name]})
	}
	return t
}
