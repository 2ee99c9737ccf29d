package rest

import (
	"context"
	"encoding/json"
	"math"
	"net/http"

	"github.com/sluice-metrics/sluice/runtime"
)

func trafficOperations() []operation {
	return []operation{{
		id: "getTraffic", method: http.MethodGet, path: "/traffic", role: runtime.RoleViewer, waits: true,
		summary: "The series that came of late, as a file of traffic",
		about: "It is what sluice plan and sluice record read. The first line says of what time and revision it is, the last " +
			"one how much there was; an answer that was cut off lacks it.",
		params: []param{
			{name: "since", in: inQuery, kind: duration, min: 1, max: int64(runtime.MaxTrafficSince), absent: runtime.TrafficSince.String(),
				about: "How far back.", example: "10m"},
			{name: "limit", in: inQuery, kind: number, min: 1, max: math.MaxUint32, about: "How many series at most; without it, all.", example: "1000"},
		},
		answer: json.RawMessage{}, media: linesType,
		handle: func(c *call) (any, error) {
			since, limit := c.duration("since"), uint64(c.number("limit"))
			return lines(func(ctx context.Context, w lineWriter) error { return c.runtime.Traffic(ctx, w, since, limit) }), nil
		},
	}}
}
