package rest

import "github.com/sluice-metrics/sluice/runtime"

// Bounds of a part of a list.
const (
	pageLimit    = "100"
	maxPageLimit = 1000
)

// pageParams are the parameters of an operation that answers with a part of a list.
func pageParams(more ...param) []param {
	return append(more,
		param{name: "limit", in: inQuery, kind: number, min: 1, max: maxPageLimit, absent: pageLimit, about: "How many items at most.", example: "50"},
		param{name: "after", in: inQuery, kind: text, about: "What next said in the answer before this one.", example: "YQ"})
}

// pageOf answers with the part of a list that was asked for; see runtime.PageOf.
func pageOf[T any](c *call, list []T, key func(T) string) (any, error) {
	return runtime.PageOf(list, key, c.text("after"), c.number("limit"))
}
