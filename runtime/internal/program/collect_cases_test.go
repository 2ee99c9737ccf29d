package program

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// The cases that the vectors are made of, beside the drawn ones.

func selectCases(t *testing.T) []vectorCase {
	labelled := func(values ...string) policy.Match {
		return policy.Match{Labels: map[string][]string{"operator_name": values}}
	}
	names := func(list ...string) (out []vector) {
		for _, v := range list {
			out = append(out, sampleOf("m", "operator_name", v))
		}
		return out
	}
	drop := func(name string, m policy.Match, series ...vector) vectorCase {
		return byTask(t, name, teamOf(map[string]policy.Control{"a": ruleOf(1, "drop", m)}, nil), "t-1", "pay", series...)
	}
	sanitised := sampleOf("bytes-in/größe", "job_name", "pay")
	sanitised.Scope = "taskmanager.job.task.operator.my group"
	bare := sampleOf("9lives")
	bare.Scope = ""
	set := teamOf(map[string]policy.Control{
		"keep-one":  ruleOf(1, "keep", policy.Match{Metrics: []string{"flink_taskmanager_job_task_m1"}}),
		"drop-most": ruleOf(2, "drop", policy.Match{Metrics: []string{"flink_taskmanager_job_task_m*"}}),
		"drop-rest": {Ordered: inForce(0, policy.Match{Kinds: []string{"meter", "histogram"}}), Tier: "default", Action: "drop"},
		"guard":     {Ordered: inForce(9, policy.Match{Metrics: []string{"*_m2"}}), Tier: "guard", Action: "keep"},
		"expired":   {Ordered: policy.Ordered{Enabled: true, Expires: "2026-01-01", Match: everyMetric}, Tier: "guard", Action: "drop"},
		"off":       {Ordered: policy.Ordered{Match: everyMetric}, Tier: "guard", Action: "drop"},
	}, nil)
	meter := func(v *vector) { v.Type = "meter" }
	unless := ruleOf(1, "drop", policy.Match{Metrics: []string{"*"}})
	unless.Unless = &policy.Match{Labels: map[string][]string{"operator_name": {"Source:*"}, "host": {"?*"}}}
	return []vectorCase{
		drop("globs: whole values, * any number, ? one character", labelled("a?c", "x*y*z", "*-end", "*mid*"),
			names("abc", "ac", "aüc", "a😀c", "ae\u0301c", "abbc", "xyz", "x1y2z3", "x😀y\nz", "the-end", "the-end ", "amidst", "mi", "")...),
		drop("expressions: RE2, whole values, a dot is any character", labelled(`re:a.b`, `re:(?i)größe|größen`, `re:\d{2,3}`, `re:[[:upper:]]+x`, `re:\p{Greek}+`),
			names("a\nb", "a😀b", "xab", "aab\n", "a.b", "GRÖSSE", "GRÖßE", "größen", "1", "12", "1234", "ABx", "abx", "λόγος", "")...),
		drop("a star at the wrong place is a star", labelled(`a\*b`, "**", "?"), names(`a\b`, `a\xb`, "a", "", "äö")...),
		drop("an absent label is empty", policy.Match{Labels: map[string][]string{"zone": {""}, "operator_name": {"?*"}}},
			sampleOf("m"), sampleOf("m", "operator_name", "a"), sampleOf("m", "operator_name", "a", "zone", "z"), sampleOf("m", "operator_name", "a", "zone", "")),
		drop("the name of a series", policy.Match{Metrics: []string{"flink_taskmanager_job_task_operator_my_group_bytes_in_gr__e", "_9lives"}}, sanitised, bare, sampleOf("9lives")),
		drop("labels that records have fields for", policy.Match{Labels: map[string][]string{"subtask_index": {"1"}, "task_attempt_num": {"", "2"}, "torrent_task_id": {"t-?"}}},
			sampleOf("m").with(func(v *vector) { v.Subtask, v.Attempt = 1, 2 }), sampleOf("m").with(func(v *vector) { v.Subtask = 1 }),
			sampleOf("m").with(func(v *vector) { v.Subtask, v.Attempt = 1, -1 }), sampleOf("m").with(func(v *vector) { v.Subtask, v.Attempt = -1, 2 }),
			sampleOf("m", "subtask_index", "1").with(func(v *vector) { v.Subtask, v.Attempt = 7, 2 }),
			sampleOf("m", "torrent_task_id", "other").with(func(v *vector) { v.Subtask, v.Attempt = 1, 2 })),
		drop("kinds", policy.Match{Kinds: []string{"meter", "histogram"}}, sampleOf("m"), sampleOf("m").with(meter),
			sampleOf("m").with(func(v *vector) { v.Type = "histogram" }), sampleOf("m").with(func(v *vector) { v.Type = "counter" })),
		drop("an origin that is not sure is sent", policy.Match{Origin: []string{"custom", "system"}}, sampleOf("m"),
			sampleOf("m").with(func(v *vector) { v.Origin = "custom" }), sampleOf("m").with(func(v *vector) { v.Origin = "native" }),
			sampleOf("m").with(func(v *vector) { v.Origin = "system" })),
		byTask(t, "tiers, order, the first that matches", set, "t-1", "", sampleOf("m1"), sampleOf("m1").with(meter), sampleOf("m2"), sampleOf("m3"), sampleOf("n"), sampleOf("n").with(meter)),
		byTask(t, "unless", teamOf(map[string]policy.Control{"a": unless}, nil), "t-1", "", sampleOf("m"), sampleOf("m", "operator_name", "Source: x"),
			sampleOf("m", "operator_name", "Source: x", "host", "h"), sampleOf("m", "operator_name", "Sink: x", "host", "h")),
	}
}

func sampleCases(t *testing.T) []vectorCase {
	sample := func(name, by string, rate float64, series ...vector) vectorCase {
		r := ruleOf(1, "sample", everyMetric)
		r.Rate, r.By = rate, by
		return byTask(t, name, teamOf(map[string]policy.Control{"a": r}, nil), "t-größe-1", "", series...)
	}
	var many, times []vector
	for _, v := range [...]string{"", "a", "b", "ä", "😀", "Source: orders[1] -> Calc[2]", "a\xe2\x80\xa8b", "\"\\\n\t", "<&>"} {
		many = append(many, sampleOf("m", "operator_name", v), sampleOf("n", "operator_name", v, "job_name", "pay"))
	}
	for i := range int64(12) {
		times = append(times, sampleOf("m").with(func(v *vector) { v.At += i * 10_000 }))
	}
	return []vectorCase{
		sample("half of the series", "series", 0.5, slices.Clone(many)...),
		sample("a share above half is above the largest signed number", "series", 0.9, slices.Clone(many)...),
		sample("a restart changes nothing", "series", 0.5,
			sampleOf("m", "task_id", "1"), sampleOf("m", "task_id", "1", "host", "h", "tm_id", "t", "job_id", "j", "task_attempt_id", "a").with(func(v *vector) { v.Attempt = 3 }),
			sampleOf("m", "task_id", "2"), sampleOf("m", "task_id", "2", "host", "h2", "tm_id", "t2", "job_id", "j2").with(func(v *vector) { v.Attempt = -1 }),
			sampleOf("m", "task_id", "2", "task_name", "")),
		sample("labels are sorted by their bytes", "series", 0.5, sampleOf("m", "Z", "1", "a", "2", "_", "3", "é", "4", "\uff21", "5", "😀", "6"),
			sampleOf("m", "\uff21", "1", "😀", "2"), sampleOf("m", "\uff21", "2", "😀", "1")),
		sample("half of the records", "record", 0.5, times...),
		sample("a tenth of the records, all times", "record", 0.1, sampleOf("m").with(func(v *vector) { v.At = 0 }), sampleOf("m").with(func(v *vector) { v.At = 1 }),
			sampleOf("m").with(func(v *vector) { v.At = 4_102_444_800_000 }), times[0], times[1], times[2]),
	}
}

func thinCases(t *testing.T) []vectorCase {
	thin := func(name, every, pick string, period int64, at ...int64) vectorCase {
		r := ruleOf(1, "thin", policy.Match{Metrics: []string{"*_m"}})
		r.Every, r.Pick = every, pick
		c := byTask(t, name, teamOf(map[string]policy.Control{"a": r}, nil), "t-1", "")
		c.Period = period
		for _, x := range at {
			c.Series = append(c.Series, sampleOf("m", "operator_name", "a").with(func(v *vector) { v.At += x }), sampleOf("n").with(func(v *vector) { v.At += x }))
			if x%20_000 == 0 { // another series has an interval of its own
				c.Series = append(c.Series, sampleOf("m").with(func(v *vector) { v.At += x }))
			}
		}
		return c
	}
	return []vectorCase{
		thin("first of a minute", "1m", "first", 10_000, 3_000, 13_000, 59_999, 60_000, 70_000, 119_999, 120_000, 300_000),
		thin("first, with a clock that goes back", "1m", "first", 10_000, 60_000, 70_000, 30_000, 40_000, 60_000),
		thin("last of a minute: another report surely follows", "1m", "last", 10_000, 0, 10_000, 34_999, 35_000, 35_001, 45_000, 59_999, 60_000, 95_000, 96_000),
		thin("last, when a report is as long as the interval", "10s", "last", 10_000, 0, 5_000, 10_000),
		thin("max is for the runtime", "1m", "max", 10_000, 0, 10_000),
	}
}

func topicCases(t *testing.T) []vectorCase {
	route := func(order int, metric string, to ...string) policy.Control {
		r := ruleOf(order, "route", policy.Match{Metrics: []string{metric}})
		r.To = to
		return r
	}
	limit := ruleOf(4, "limit", policy.Match{Metrics: []string{"*_limited"}})
	limit.Rate, limit.Per = 1, "series"
	return []vectorCase{byTask(t, "routes and limits", teamOf(map[string]policy.Control{
		"away": route(1, "*_away", "isolated"), "both": route(2, "*_both", "store", "isolated"), "sink": route(3, "*_sink", "far"),
		"limit": limit, "rest": ruleOf(9, "drop", everyMetric),
	}, map[string]policy.Rewrite{"attempts": dropOf("task_attempt_*")}), "t-1", "",
		sampleOf("away", "task_attempt_id", "a"), sampleOf("both", "task_attempt_id", "a"), sampleOf("sink", "task_attempt_id", "a"), sampleOf("limited", "task_attempt_id", "a"), sampleOf("rest"))}
}

// dropOf is a rewrite that drops labels of all series.
func dropOf(names ...string) policy.Rewrite {
	return policy.Rewrite{Ordered: inForce(1, everyMetric), Action: "drop-labels", Labels: names}
}

func labelCases(t *testing.T) []vectorCase {
	full := func(name string) vector {
		return sampleOf(name, "host", "h", "tm_id", "tm", "job_id", "j", "job_name", "pay", "task_id", "i", "task_name", "n",
			"task_attempt_id", "a", "operator_id", "o", "operator_name", "s", "größe", "xl")
	}
	drops := func(name string, controls map[string]policy.Control, rewrites map[string]policy.Rewrite, series ...vector) vectorCase {
		return byTask(t, name, teamOf(controls, rewrites), "t-1", "pay", append(series, full("m"))...)
	}
	sample := ruleOf(1, "sample", policy.Match{Metrics: []string{"*_sampled"}})
	sample.Rate, sample.By = 0.5, "record"
	thin := ruleOf(1, "thin", policy.Match{Metrics: []string{"*_thinned"}})
	thin.Every = "1s"
	keep := ruleOf(2, "keep", policy.Match{Metrics: []string{"*_kept"}})
	only := dropOf("tm_id", "größe")
	only.Match, only.Unless = policy.Match{Metrics: []string{"*_m"}}, &policy.Match{Labels: map[string][]string{"operator_id": {"p"}}}
	prefer := policy.Rewrite{Ordered: inForce(2, everyMetric), Action: "prefer-label", Prefer: "task_name", Over: "task_id"}
	return []vectorCase{
		drops("attempts", nil, map[string]policy.Rewrite{"a": dropOf("task_attempt_*", "tm_*")}),
		drops("never those that records have fields for, nor the job", nil, map[string]policy.Rewrite{"a": dropOf("*")}, sampleOf("m", "subtask_index", "3", "host", "h")),
		drops("not those that something reads", map[string]policy.Control{"a": ruleOf(1, "keep", policy.Match{Labels: map[string][]string{"host": {"x"}}})},
			map[string]policy.Rewrite{"a": dropOf("host", "task_*", "operator_id"), "b": prefer}),
		drops("with a sample rule only those that change with a restart", map[string]policy.Control{"a": sample},
			map[string]policy.Rewrite{"a": dropOf("host", "t*_id", "operator_*", "größe")}, full("sampled")),
		drops("not from what the runtime keeps state of", map[string]policy.Control{"a": thin, "b": keep},
			map[string]policy.Rewrite{"a": dropOf("task_attempt_id")}, full("thinned"), full("kept")),
		drops("where they match", nil, map[string]policy.Rewrite{"a": only, "b": dropOf("host")}, full("n"),
			full("m").with(func(v *vector) { v.Labels["operator_id"] = "p" })),
	}
}

func taskCases(t *testing.T) []vectorCase {
	set := teamOf(map[string]policy.Control{
		"by-task": ruleOf(1, "drop", policy.Match{Metrics: []string{"*_a"}, Tasks: []string{"t-1", "orders-*"}}),
		"by-tag":  ruleOf(2, "drop", policy.Match{Metrics: []string{"*_b"}, Tags: map[string][]string{"tier": {"gold"}}}),
	}, nil)
	set.Teams[0].Task = map[string]policy.Task{
		"a": taskOf(true, "", map[string]string{"tier": "gold"}, "orders-*"),
		"b": taskOf(true, "", map[string]string{"tier": "tin", "site": "north"}, "*"),
		"c": taskOf(true, "2026-01-01", map[string]string{"tier": "gold"}, "*"),
		"d": taskOf(false, "", nil, "retired-*", "t-9"),
		"e": taskOf(true, "", map[string]string{"team": "pay"}, "pay-*"),
	}
	other := *teamOf(map[string]policy.Control{"all": ruleOf(3, "drop", everyMetric)}, nil)
	other.Teams[0].Name, other.Teams[0].Stream, other.Teams[0].Sink = "pay", nil, nil
	other.Teams[0].Task = map[string]policy.Task{"mine": taskOf(true, "", map[string]string{"tier": "gold"}, "checkout")}
	set.Teams = append(set.Teams, other.Teams[0])
	of := func(name, job string) vector {
		if job == "" {
			return sampleOf(name)
		}
		return sampleOf(name, "job_name", job)
	}
	var cases []vectorCase
	for _, c := range []struct {
		task, job string
		bySet     bool
	}{{"t-1", "", false}, {"t-2", "orders-eu", true}, {"pay-1", "x", false}, {"t-3", "checkout", true}, {"t-9", "x", false}, {"t-4", "retired-1", true}} {
		series := []vector{of("a", c.job), of("b", c.job), of("c", c.job), of("a", ""), of("b", ""), of("c", "")}
		cases = append(cases, byTask(t, "of task "+c.task+", job "+c.job, set, c.task, c.job, series...))
		if c.bySet {
			cases = append(cases, bySet(t, "of the set, for task "+c.task+", job "+c.job, set, c.task, c.job, series...))
		}
	}
	odd := teamOf(map[string]policy.Control{"a": ruleOf(1, "drop", policy.Match{Tasks: []string{"re:re.*"}})}, nil)
	return append(cases, byTask(t, "a job name that looks like a pattern", odd, "t", "re:a*?", sampleOf("m", "job_name", "re:a*?"), sampleOf("m", "job_name", "re:ab"), sampleOf("m")))
}

// openCases are documents of other versions, and damaged ones: what is not
// understood is sent.
func openCases() []vectorCase {
	document := func(name, text string, series ...vector) vectorCase {
		return vectorCase{Name: name, Document: json.RawMessage(text), Task: "t-1", Job: "pay", Period: 10_000,
			Series: append(series, sampleOf("m", "job_name", "pay", "tm_id", "x"), sampleOf("n", "job_name", "pay", "tm_id", "y"))}
	}
	rules := func(name, list string, series ...vector) vectorCase {
		return document(name, `{"v":1,"cv":7,"rules":[`+list+`],"labels":[{"id":"l","drop":["tm_id"],"match":{}}]}`, series...)
	}
	const all = `{"id":"z","do":"drop","match":{}}`
	return []vectorCase{
		document("another version", `{"v":2,"cv":7,"rules":[`+all+`],"labels":[{"id":"l","drop":["*"],"match":{}}]}`),
		rules("a word that is not known", `{"id":"a","do":"freeze","match":{"metrics":["*_m"]}},`+all),
		rules("a pattern that is none", `{"id":"a","do":"keep","match":{"metrics":["re:(","*_x"],"labels":{"tm_id":["x"]}}},`+all),
		rules("a backreference is no RE2", `{"id":"a","do":"keep","match":{"metrics":["re:(.)\\1.*"]}},`+all),
		rules("a look-ahead is no RE2", `{"id":"a","do":"keep","match":{"metrics":["re:(?=f)f.*_m"]},"unless":{"metrics":["*_n"]}},`+all),
		rules("a pattern that is none, in unless", `{"id":"a","do":"drop","match":{"metrics":["*_m"]},"unless":{"labels":{"tm_id":["re:["]}}},`+all),
		rules("a pattern that is none, in an unless that does not hold", `{"id":"a","do":"drop","match":{},"unless":{"labels":{"tm_id":["re:["]},"metrics":["*_x"]}}`),
		rules("a condition that is not known", `{"id":"a","do":"drop","match":{"metrics":["*_m"],"phase":["moon"]}},`+all),
		rules("what a rule needs is missing", `{"id":"a","do":"sample","match":{"metrics":["*_m"]}},{"id":"b","do":"thin","every_ms":0,"pick":"first","match":{"metrics":["*_n"]}},`+all, sampleOf("o")),
		rules("picks that are not known", `{"id":"a","do":"thin","every_ms":60000,"pick":"median","match":{"metrics":["*_m"]}},{"id":"b","do":"topic","match":{"metrics":["*_n"]}},`+all),
		document("labels whose match is not understood stay", `{"v":1,"cv":7,"rules":[],"labels":[{"id":"a","drop":["tm_id"],"match":{"metrics":["re:("]}},{"id":"b","drop":["re:[","zone"],"match":{}}]}`,
			sampleOf("m", "zone", "z", "tm_id", "t")),
		document("fields that must stay stay", `{"v":1,"cv":7,"rules":[],"labels":[{"id":"a","drop":["*"],"match":{}}]}`),
		document("a task that may be off is on", `{"v":1,"cv":7,"tasks":[{"match":["re:("],"enabled":false}],"rules":[{"id":"a","do":"drop","match":{"tags":{"tier":["gold"]}}},`+all+`],"labels":[]}`),
		document("off", `{"v":1,"cv":7,"tasks":[{"match":["*"],"enabled":false}],"rules":[],"labels":[]}`),
	}
}
