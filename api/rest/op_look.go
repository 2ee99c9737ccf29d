package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/sluice-metrics/sluice/runtime"
)

// lookOperations show what the instance is doing to which samples.
func lookOperations() []operation {
	return []operation{tapOperation(), {
		id: "getTop", method: http.MethodGet, path: "/top", role: runtime.RoleViewer,
		summary: "Which tasks, metrics, teams and rules weigh most",
		about: "By samples per second, series, bytes, or what rules end. Rates are those of the last 10 to 20 minutes. It reads " +
			"what the workers keep anyway, every two seconds at most.",
		params: []param{
			{name: "by", in: inQuery, kind: text, choices: runtime.TopOrders(), absent: runtime.BySamples, about: "What decides the order.", example: "series"},
			{name: "limit", in: inQuery, kind: number, min: 1, max: runtime.MaxTopRows, absent: "20", about: "How many rows of each list at most.", example: "10"},
		},
		answer: runtime.Top{},
		handle: func(c *call) (any, error) { return c.runtime.Top(c.ctx, c.text("by"), c.number("limit")) },
	}, {
		id: "getLedger", method: http.MethodGet, path: "/ledger", role: runtime.RoleViewer,
		summary: "What became of every sample since the instance was started",
		about: "Samples in are the sum of all dispositions, for each stream and sink and each partition; the imbalance is what is " +
			"missing, and anything but 0 is a defect.",
		answer: runtime.Ledger{},
		handle: func(c *call) (any, error) { return c.runtime.Ledger(), nil },
	}, {
		id: "listCatalogue", method: http.MethodGet, path: "/catalogue", role: runtime.RoleViewer,
		summary: "What is known of the metrics that Flink registers by itself",
		params: pageParams(
			param{name: "series", in: inQuery, kind: text, about: "Pattern of the series name: a glob, or after re: an RE2 expression.", example: "flink_taskmanager_*"},
			param{name: "scope", in: inQuery, kind: text, about: "Pattern of the scope.", example: "taskmanager.job.*"},
			param{name: "kind", in: inQuery, kind: text, choices: []string{"counter", "gauge", "meter", "histogram"}, about: "Flink's type.", example: "gauge"},
			param{name: "origin", in: inQuery, kind: text, choices: []string{"native", "sql", "custom", "system", "event"}, about: "Who registers it.", example: "native"},
			param{name: "search", in: inQuery, kind: text, about: "Text in the name or the unit, in any case.", example: "records"},
		),
		answer: runtime.Page[runtime.CatalogueEntry]{},
		handle: func(c *call) (any, error) {
			list, err := c.runtime.Catalogue(runtime.CatalogueFilter{
				Series: c.text("series"), Scope: c.text("scope"), Kind: c.text("kind"), Origin: c.text("origin"), Search: c.text("search"),
			})
			if err != nil {
				return nil, err
			}
			return pageOf(c, list, runtime.CatalogueEntry.Key)
		},
	}}
}

func tapOperation() operation {
	return operation{
		id: "tap", method: http.MethodGet, path: "/tap", role: runtime.RoleViewer, waits: true,
		summary: "Samples as they are decided about, one a line",
		about: "Each line is a sample, or under counts how many matched, were shown and left out so far. What comes faster than the " +
			"rate is left out and counted; no sample ever waits for it. It ends after its time, or when the asker goes. Eight at a time.",
		params: []param{
			{name: "task", in: inQuery, kind: texts, about: "Pattern of torrent_task_id or job_name: a glob, or after re: an RE2 expression.", example: "t-*"},
			{name: "metric", in: inQuery, kind: texts, about: "Pattern of the series name as reported.", example: "flink_*"},
			{name: "label", in: inQuery, kind: texts, about: "Name of a label as reported, = and a pattern of its value.", example: "host=10.1.*"},
			{name: "tag", in: inQuery, kind: texts, about: "Name of a tag of the task, = and a pattern of its value.", example: "team=pay*"},
			{name: "kind", in: inQuery, kind: texts, choices: []string{"counter", "gauge", "meter", "histogram"}, about: "Flink's type.", example: "gauge"},
			{name: "origin", in: inQuery, kind: texts, choices: []string{"native", "sql", "custom", "system", "event"}, about: "Who registered it.", example: "native"},
			{name: "rule", in: inQuery, kind: texts, about: "Pattern of the rule that decided, as team/name.", example: "platform/*"},
			{name: "disposition", in: inQuery, kind: texts, choices: runtime.TapDispositions(), about: "What became of the sample.", example: "dropped"},
			{name: "rate", in: inQuery, kind: number, min: 1, max: runtime.MaxTapPerSecond, absent: "100", about: "How many samples per second at most.", example: "50"},
			{name: "for", in: inQuery, kind: duration, min: int64(runtime.MinTapTime), max: int64(runtime.MaxTapTime), absent: "10m", about: "How long.", example: "1s"},
		},
		answer: runtime.TapLine{}, media: linesType,
		handle: tap,
	}
}

func tap(c *call) (any, error) {
	labels, err := pairs("label", c.texts("label"))
	if err != nil {
		return nil, err
	}
	tags, err := pairs("tag", c.texts("tag"))
	if err != nil {
		return nil, err
	}
	req := runtime.TapRequest{
		Selection: runtime.Selection{
			Tasks: c.texts("task"), Metrics: c.texts("metric"), Labels: labels, Tags: tags, Kinds: c.texts("kind"), Origin: c.texts("origin"),
		},
		Rules: c.texts("rule"), Dispositions: c.texts("disposition"), PerSecond: c.number("rate"), For: c.duration("for"),
	}
	return lines(func(ctx context.Context, w lineWriter) error {
		out := json.NewEncoder(w)
		return c.runtime.Tap(ctx, req, func(batch []runtime.TapLine) error {
			for _, line := range batch {
				if err := out.Encode(line); err != nil {
					return err
				}
			}
			return w.Flush()
		})
	}), nil
}

// pairs reads name=pattern; a name that comes twice has both patterns.
func pairs(what string, list []string) (map[string][]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string][]string{}
	for _, text := range list {
		name, pattern, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, wrong("%s: %q is no name=pattern", what, text)
		}
		out[name] = append(out[name], pattern)
	}
	return out, nil
}
