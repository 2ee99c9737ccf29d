package rest

import (
	"encoding/json"
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

func collectOperations() []operation {
	return []operation{{
		id: "getCollect", method: http.MethodGet, path: "/collect/{task}", role: runtime.RoleViewer, waits: true,
		summary: "The control document of a task: what its reporter may leave out",
		about: "Reporters ask with the ETag of the document that they have, in If-None-Match, and with wait: the answer comes " +
			"as soon as there is another document, and is 304 when there is none in that time.",
		params: []param{
			{name: "task", in: inPath, kind: text, rest: true, about: "The torrent_task_id of the task, percent-encoded.", example: "t-1"},
			{name: "job", in: inQuery, kind: text, about: "Name of the job, where the records carry one.", example: "pay"},
			{name: "wait", in: inQuery, kind: duration, about: "How long to wait for another document; more than 1m is 1m.", example: "20s"},
			{name: "If-None-Match", in: inHeader, kind: texts, about: "The ETag of the document that the asker has.", example: `"0123456789ab"`},
		},
		answer: json.RawMessage{},
		handle: func(c *call) (any, error) {
			known := knownTags(c.texts("If-None-Match"))
			doc, err := c.runtime.Collect(c.ctx, c.text("task"), c.text("job"), known, c.duration("wait"))
			if err != nil {
				return nil, err
			}
			return &document{plain: doc.JSON, gzip: doc.Gzip, tag: doc.Tag, cache: "private, no-cache"}, nil
		},
	}}
}
