package rest

import (
	"net/http"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// pauseBody asks for a pause.
type pauseBody struct {
	For    string `json:"for,omitempty"` // how long, from 1s to 7d, such as 1h30m; without it, until it is resumed
	Reason string `json:"reason"`        // why, in 3 to 500 characters
}

// drainBody asks for a drain.
type drainBody struct {
	Within string `json:"within,omitempty"` // how long to wait at most, to 2m; without it, 30s
	Reason string `json:"reason"`           // why, in 3 to 500 characters
}

// resumeBody asks to go on.
type resumeBody struct {
	Reason string `json:"reason,omitempty"` // why, where there is something to say
}

func streamOperations() []operation {
	name := param{name: "name", in: inPath, kind: text, about: "Name of the stream in the policy set.", example: "native"}
	return []operation{{
		id: "listStreams", method: http.MethodGet, path: "/streams", role: runtime.RoleViewer,
		summary: "The streams that the instance reads, and where their partitions stand",
		params:  pageParams(),
		answer:  runtime.Page[runtime.Stream]{},
		handle: func(c *call) (any, error) {
			return pageOf(c, c.runtime.Streams(), func(s runtime.Stream) string { return s.Name })
		},
	}, {
		id: "pauseStream", method: http.MethodPost, path: "/streams/{name}/pause", role: runtime.RoleOperator, changes: true, whole: true,
		summary: "Stop reading a stream in this instance",
		about: "The instance stays in its group and keeps its partitions, so no other one reads on: what comes waits in Kafka. " +
			"A pause outlives a rebalance, not a restart. The answer is the stream after it.",
		params: []param{name},
		body:   pauseBody{For: "30m", Reason: "the store is being moved"},
		answer: runtime.Stream{},
		handle: pauseStream,
	}, {
		id: "resumeStream", method: http.MethodPost, path: "/streams/{name}/resume", role: runtime.RoleOperator, changes: true, whole: true,
		summary: "Go on reading a stream that was paused or drained",
		about:   "It goes on where it stopped. A stream that runs is left as it is. The answer is the stream after it.",
		params:  []param{name},
		body:    resumeBody{Reason: "the store has moved"},
		answer:  runtime.Stream{},
		handle: func(c *call) (any, error) {
			c.target, c.reason = "stream "+c.text("name"), bodyOf[resumeBody](c).Reason
			return c.runtime.ResumeStream(c.ctx, c.actor, c.text("name"))
		},
	}, {
		id: "drainStream", method: http.MethodPost, path: "/streams/{name}/drain", role: runtime.RoleOperator, changes: true, whole: true,
		time:    runtime.MaxDrainTime + 10*time.Second,
		summary: "Stop reading a stream, and acknowledge and commit everything that was read",
		about: "The answer comes when that is done: the instance may then be stopped. When it takes too long, the stream stays " +
			"paused, and the answer says which partition it is that waits.",
		params: []param{name},
		body:   drainBody{Within: "30s", Reason: "the node goes away"},
		answer: runtime.Stream{},
		handle: drainStream,
	}}
}

func pauseStream(c *call) (any, error) {
	body := bodyOf[pauseBody](c)
	c.target, c.reason = "stream "+c.text("name"), body.Reason
	length, err := optionalDuration("for", body.For)
	if err != nil {
		return nil, err
	}
	return c.runtime.PauseStream(c.ctx, c.actor, c.text("name"), runtime.HaltRequest{Reason: body.Reason, For: length})
}

func drainStream(c *call) (any, error) {
	body := bodyOf[drainBody](c)
	c.target, c.reason = "stream "+c.text("name"), body.Reason
	within, err := optionalDuration("within", body.Within)
	if err != nil {
		return nil, err
	}
	return c.runtime.DrainStream(c.ctx, c.actor, c.text("name"), runtime.HaltRequest{Reason: body.Reason, Within: within})
}

// optionalDuration reads a field of a body that may be left out.
func optionalDuration(field, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := runtime.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, wrong(`%s: %q is not a duration such as "30s" or "1h30m"`, field, text)
	}
	return d, nil
}
