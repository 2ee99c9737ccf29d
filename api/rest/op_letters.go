package rest

import (
	"net/http"
	"strconv"

	"github.com/sluice-metrics/sluice/runtime"
)

// replayBody says which dead letters are sent again.
type replayBody struct {
	Stream  string             `json:"stream,omitempty"`  // that could not read them
	Reason  string             `json:"reason,omitempty"`  // for which they could not be read
	Task    string             `json:"task,omitempty"`    // torrent_task_id, as their key has it
	Offsets map[string][]int64 `json:"offsets,omitempty"` // of the dead-letter topic by partition, instead of the fields above
	Limit   int                `json:"limit"`             // how many at most, to 1000
	Send    bool               `json:"send,omitempty"`    // false: only say what would be sent
}

func letterOperations() []operation {
	return []operation{{
		id: "listDeadLetters", method: http.MethodGet, path: "/dead-letters", role: runtime.RoleViewer,
		summary: "Records that could not be read, the newest first",
		about: "An answer looks at 5,000 records at most, so it may have fewer items than asked for although next says that there are " +
			"more. Text is the beginning of the record, without what looks like a secret.",
		params: []param{
			{name: "stream", in: inQuery, kind: text, about: "Stream that could not read them.", example: "native"},
			{name: "reason", in: inQuery, kind: text, about: "Why they could not be read.", example: "not-json"},
			{name: "task", in: inQuery, kind: text, about: "Task, as the key of the record has it.", example: "t-1"},
			{name: "limit", in: inQuery, kind: number, min: 1, max: runtime.MaxLetters, absent: pageLimit, about: "How many items at most.", example: "50"},
			{name: "after", in: inQuery, kind: text, about: "What next said in the answer before this one.", example: "e30"},
		},
		answer: runtime.Page[runtime.Letter]{},
		handle: func(c *call) (any, error) {
			f := runtime.LetterFilter{Stream: c.text("stream"), Reason: c.text("reason"), Task: c.text("task")}
			return c.runtime.Letters(c.ctx, f, c.text("after"), c.number("limit"))
		},
	}, {
		id: "replayDeadLetters", method: http.MethodPost, path: "/dead-letters/replay", role: runtime.RoleOperator, changes: true, whole: true,
		summary: "Send dead letters again into the topics that they came from",
		about: "With key and value as they were, and a header that counts how often: what has died four times is left where it is. " +
			"Without send, nothing is sent, and the answer says what would be.",
		body:   replayBody{Reason: "not-json", Limit: 10},
		answer: runtime.ReplayedLetters{},
		handle: replayLetters,
	}}
}

func replayLetters(c *call) (any, error) {
	body := bodyOf[replayBody](c)
	c.target = "dead letters"
	if !body.Send {
		c.target += ", only looked at"
	}
	q := runtime.ReplayLettersRequest{
		Filter: runtime.LetterFilter{Stream: body.Stream, Reason: body.Reason, Task: body.Task}, Limit: body.Limit, Send: body.Send,
	}
	for text, offsets := range body.Offsets {
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil || id < 0 {
			return nil, wrong("offsets: %q is not the number of a partition", text)
		}
		if q.Offsets == nil {
			q.Offsets = map[int32][]int64{}
		}
		q.Offsets[int32(id)] = offsets
	}
	return c.runtime.ReplayLetters(c.ctx, c.actor, q)
}
