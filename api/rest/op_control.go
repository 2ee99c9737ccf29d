package rest

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime"
)

// overrideBody asks for an override.
type overrideBody struct {
	Kind   string `json:"kind"`             // task, rule or step
	Target string `json:"target"`           // a task id, job name or pattern of either; team/rule; P0 to P3
	For    string `json:"for"`              // how long, from 1s to 30d, such as 1h30m
	Reason string `json:"reason"`           // why, in 3 to 500 characters
	Unseen bool   `json:"unseen,omitempty"` // the tasks need not be known to this instance
}

// enabledBody switches a task off or on.
type enabledBody struct {
	Enabled bool   `json:"enabled"`          // whether it reports
	For     string `json:"for,omitempty"`    // of a task that is switched off: how long, from 1s to 30d
	Reason  string `json:"reason"`           // why, in 3 to 500 characters
	Unseen  bool   `json:"unseen,omitempty"` // the task need not be known to this instance
}

// controlOperations are about the fleet, and what holds in it besides the policies.
func controlOperations() []operation {
	return slices.Concat(overrideOperations(), taskOperations(), []operation{{
		id: "getFleet", method: http.MethodGet, path: "/fleet", role: runtime.RoleViewer,
		summary: "Every instance, and the policies that it runs",
		about: "Instances tell of themselves every two seconds. One that is silent for 10 seconds is stale, and after 10 minutes it " +
			"is forgotten. The fleet has converged when all that are not stale run the policies of the instance that is asked.",
		answer: runtime.FleetStatus{},
		handle: func(c *call) (any, error) { return c.runtime.Fleet(), nil },
	}, {
		id: "listAudit", method: http.MethodGet, path: "/audit", role: runtime.RoleOperator,
		summary: "Who did what, in the whole fleet, the newest first",
		about:   "Entries are kept for 90 days, 10,000 at most.",
		params: pageParams(
			param{name: "since", in: inQuery, kind: moment, about: "Nothing that was done before.", example: "2026-11-22T10:00:00Z"},
			param{name: "who", in: inQuery, kind: text, about: "Name of who did it.", example: "ann"},
			param{name: "operation", in: inQuery, kind: text, about: "What was asked.", example: "setOverride"},
			param{name: "target", in: inQuery, kind: text, about: "What it was done to.", example: "task t-1"},
		),
		answer: runtime.Page[runtime.AuditEntry]{},
		handle: func(c *call) (any, error) {
			list := c.runtime.AuditTrail(runtime.AuditFilter{
				Since: c.moment("since"), Who: c.text("who"), Operation: c.text("operation"), Target: c.text("target"),
			})
			slices.SortFunc(list, func(a, b runtime.AuditEntry) int { return strings.Compare(auditKey(a), auditKey(b)) })
			return pageOf(c, list, auditKey)
		},
	}})
}

// auditKey ascends from the newest entry to the oldest.
func auditKey(e runtime.AuditEntry) string {
	return fmt.Sprintf("%019d-%s", math.MaxInt64-e.At.UnixNano(), e.ID)
}

func overrideOperations() []operation {
	return []operation{{
		id: "listOverrides", method: http.MethodGet, path: "/overrides", role: runtime.RoleViewer,
		summary: "What holds in the whole fleet besides the policies",
		params:  pageParams(),
		answer:  runtime.Page[runtime.Override]{},
		handle: func(c *call) (any, error) {
			list := c.runtime.Overrides()
			slices.SortFunc(list, func(a, b runtime.Override) int { return strings.Compare(a.ID, b.ID) })
			return pageOf(c, list, func(o runtime.Override) string { return o.ID })
		},
	}, {
		id: "setOverride", method: http.MethodPost, path: "/overrides", role: runtime.RoleOperator, changes: true,
		summary: "Switch tasks or a rule off, or set the step of degradation, for a time",
		about: "It holds in the whole fleet within seconds, outlives restarts and other policies, and ends by itself. One on the " +
			"same target takes the place of the one before.",
		body:   overrideBody{Kind: runtime.OverrideTask, Target: "t-1", For: "1h", Reason: "it floods the store", Unseen: true},
		answer: runtime.Override{},
		handle: setOverride,
	}, {
		id: "endOverride", method: http.MethodDelete, path: "/overrides/{id}", role: runtime.RoleOperator, changes: true,
		summary: "End an override before its time",
		about:   "The answer is what holds after it.",
		params:  []param{{name: "id", in: inPath, kind: text, about: "Of the override.", example: "step"}},
		answer:  runtime.Page[runtime.Override]{},
		handle: func(c *call) (any, error) {
			c.target = "override " + c.text("id")
			if err := c.runtime.EndOverride(c.ctx, c.actor, c.text("id")); err != nil {
				return nil, err
			}
			return runtime.Page[runtime.Override]{Items: c.runtime.Overrides()}, nil
		},
	}}
}

func setOverride(c *call) (any, error) {
	body := bodyOf[overrideBody](c)
	c.target, c.reason = body.Kind+" "+body.Target, body.Reason
	length, err := runtime.ParseDuration(body.For)
	if err != nil {
		return nil, wrong(`for: %q is not a duration such as "30m" or "1h30m"`, body.For)
	}
	return c.runtime.SetOverride(c.ctx, c.actor, runtime.OverrideRequest{
		Kind: body.Kind, Target: body.Target, For: length, Reason: body.Reason, Unseen: body.Unseen,
	})
}

func taskOperations() []operation {
	id := param{name: "id", in: inPath, kind: text, about: "The torrent_task_id of the task, or its job name.", example: "t-1"}
	return []operation{{
		id: "listTasks", method: http.MethodGet, path: "/tasks", role: runtime.RoleViewer,
		summary: "The tasks that the instance knows",
		about: "Those that report to its partitions, as far as it remembers, and those that the policies or overrides name. In a " +
			"fleet, another instance knows others.",
		params: pageParams(
			param{name: "match", in: inQuery, kind: text, about: "Pattern of ids or job names: a glob, or after re: an RE2 expression.", example: "t-*"},
			param{name: "team", in: inQuery, kind: text, about: "Whose they are.", example: "platform"},
			param{name: "off", in: inQuery, kind: yes, about: "Only those that are switched off.", example: "false"},
		),
		answer: runtime.Page[runtime.TaskInfo]{},
		handle: func(c *call) (any, error) {
			list, err := c.runtime.Tasks(c.ctx, runtime.TaskFilter{Match: c.text("match"), Team: c.text("team"), Off: c.yes("off")})
			if err != nil {
				return nil, err
			}
			return pageOf(c, list, func(t runtime.TaskInfo) string { return "=" + t.ID })
		},
	}, {
		id: "getTask", method: http.MethodGet, path: "/tasks/{id}", role: runtime.RoleViewer,
		summary: "One task",
		params:  []param{id},
		answer:  runtime.TaskInfo{},
		handle:  func(c *call) (any, error) { return c.runtime.Task(c.ctx, c.text("id")) },
	}, {
		id: "setTaskEnabled", method: http.MethodPut, path: "/tasks/{id}/enabled", role: runtime.RoleOperator, changes: true,
		summary: "Switch a task off for a time, or on again",
		about: "Off is an override on the task: it holds in the whole fleet, and its reporter is told. On ends that override; what " +
			"the policies switch off stays off. The answer is the task after it.",
		params: []param{id},
		body:   enabledBody{Enabled: false, For: "1h", Reason: "it floods the store", Unseen: true},
		answer: runtime.TaskInfo{},
		handle: setTaskEnabled,
	}}
}

func setTaskEnabled(c *call) (any, error) {
	body := bodyOf[enabledBody](c)
	id := c.text("id")
	c.target, c.reason = "task "+id, body.Reason
	if body.Enabled {
		return c.runtime.EnableTask(c.ctx, c.actor, id)
	}
	length, err := runtime.ParseDuration(body.For)
	if err != nil {
		return nil, wrong(`for: %q is not a duration such as "30m" or "1h30m"`, body.For)
	}
	_, err = c.runtime.SetOverride(c.ctx, c.actor, runtime.OverrideRequest{
		Kind: runtime.OverrideTask, Target: id, For: length, Reason: body.Reason, Unseen: body.Unseen,
	})
	if err != nil {
		return nil, err
	}
	return c.runtime.Task(c.ctx, id)
}
