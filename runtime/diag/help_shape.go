package diag

// shapeHelp is about the shape of what is written.
var shapeHelp = []Help{
	{
		Code:  UnknownField,
		Title: "field that does not exist",
		Text: "The schema has no such field at this place. Every struct is closed, so that a typo cannot switch " +
			"a rule off. Each action, and each type of sink, has fields of its own.",
		Bad: `policy: control: noise: schema.#Drop & {
	match: metric: ["*_debug_*"]
	reason: "debug metrics stay in the job"
}`,
		Good: `policy: control: noise: schema.#Drop & {
	match: metrics: ["*_debug_*"]
	reason: "debug metrics stay in the job"
}`,
	},
	{
		Code:  BadValue,
		Title: "value that is not allowed",
		Text: "The value has the wrong type, is out of range, or is none of the words that may stand there. The " +
			"message says which may.",
		Bad:  `policy: control: half: schema.#Sample & {match: tasks: ["order-*"], rate: 50}`,
		Good: `policy: control: half: schema.#Sample & {match: tasks: ["order-*"], rate: 0.5}`,
	},
	{
		Code:  BadName,
		Title: "name that is not well-formed",
		Text: "Names of rules, sinks, streams and tests have 1 to 63 lower-case letters, digits and hyphens. " +
			"Names of labels have letters, digits and underscores.",
		Bad:  `policy: control: No_Debug: schema.#Keep & {match: tasks: ["order-*"]}`,
		Good: `policy: control: "no-debug": schema.#Keep & {match: tasks: ["order-*"]}`,
	},
	{
		Code:  NoEffect,
		Title: "field that declares nothing",
		Text: "CUE gives hidden fields (_x), definitions (#x), optional fields (x?) and demands (x!) a meaning " +
			"of their own: none of them declares a value. CUE accepts them in silence, and a condition would " +
			"be missing.",
		Bad: `policy: control: noise: schema.#Drop & {
	match: labels: {_env: ["test"], host: ["*"]}
	reason: "tests are not watched"
}`,
		Good: `policy: control: noise: schema.#Drop & {
	match: labels: {"_env": ["test"], host: ["*"]}
	reason: "tests are not watched"
}`,
	},
	{
		Code:  Stray,
		Title: "top-level field beside policy",
		Text: "Only policy is part of the policy; any other top-level field would be ignored. Helpers begin " +
			"with an underscore.",
		Bad:  `polcy: control: keep: schema.#Keep & {match: tasks: ["order-*"]}`,
		Good: `policy: control: keep: schema.#Keep & {match: tasks: ["order-*"]}`,
	},
	{
		Code:  Missing,
		Title: "field that must be given",
		Text:  "The schema has no default for this field: its author must say it.",
		Bad:   `policy: control: noise: schema.#Drop & {match: metrics: ["*_debug_*"]}`,
		Good: `policy: control: noise: schema.#Drop & {
	match: metrics: ["*_debug_*"]
	reason: "debug metrics stay in the job"
}`,
	},
	{
		Code:  NotConcrete,
		Title: "field without a definite value",
		Text: "A type, or a choice between values without a default, says what may stand there, but not what " +
			"does.",
		Bad:  `policy: control: keep: schema.#Keep & {match: tasks: [string]}`,
		Good: `policy: control: keep: schema.#Keep & {match: tasks: ["order-*"]}`,
	},
	{
		Code:  Conflict,
		Title: "field set to two values",
		Text: "Values for one field are unified, wherever they are written; two different ones exclude each " +
			"other. A second file may set what has a default, or add; it cannot change what is set. Lists do " +
			"not append.",
		Bad: `policy: control: keep: schema.#Keep & {match: tasks: ["order-*"], order: 10}
policy: control: keep: order: 20`,
		Good: `policy: control: keep: schema.#Keep & {match: tasks: ["order-*"]}
policy: control: keep: order: 20`,
	},
	{
		Code:  EmptyMatch,
		Title: "selector that selects by nothing",
		Text:  "An empty selector would match everything. To match everything, say so.",
		Bad:   `policy: control: keep: schema.#Keep & {match: {}}`,
		Good:  `policy: control: keep: schema.#Keep & {match: metrics: ["*"]}`,
	},
	{
		Code:  SecretInline,
		Title: "secret instead of a reference",
		Text: "Policies are read by many and kept for ever. A secret is given by reference to an environment " +
			"variable or a file of the process that uses it, and looked up when it is used. The value is " +
			"shown nowhere, not even in this finding; change it, since it has been written down.",
		Bad:  `policy: sink: mimir: schema.#RemoteWrite & {url: "https://mimir.example.com/api/v1/push", bearer: "abc123"}`,
		Good: `policy: sink: mimir: schema.#RemoteWrite & {url: "https://mimir.example.com/api/v1/push", default: true, bearer: "env://MIMIR_TOKEN"}`,
	},
	{
		Code:  WrongTeam,
		Title: "team that is not its directory",
		Text:  "The directory decides who may write for a team, for instance by CODEOWNERS. So team equals it.",
		Bad: `-- teams/orders/policy.cue --
package policies

policy: team: "billing"
`,
		Good: `-- teams/orders/policy.cue --
package policies

policy: team: "orders"
`,
	},
	{
		Code:  OrgLimit,
		Title: "value that the set refuses",
		Text: "Besides the schema, a set may have limits of its own: #Team in a file of its root. They hold for " +
			"every team, whether its files mention #Team or not.",
		Bad: `-- org.cue --
package policies

import "github.com/sluice-metrics/sluice/schema"

#Team: schema.#Policy & {
	control?: [_]: tier: "tenant" | error("only tenant rules here")
}
-- teams/orders/policy.cue --
package policies

policy: team: "orders"
policy: control: keep: {tier: "guard", match: tasks: ["order-*"], action: "keep"}
`,
		Good: `-- org.cue --
package policies

import "github.com/sluice-metrics/sluice/schema"

#Team: schema.#Policy & {
	control?: [_]: tier: "tenant" | error("only tenant rules here")
}
-- teams/orders/policy.cue --
package policies

policy: team: "orders"
policy: control: keep: {match: tasks: ["order-*"], action: "keep"}
`,
	},
	{
		Code:  Cycle,
		Title: "fields that depend on each other",
		Text: "Each of the fields is computed from the other, so none has a value. Where there is a default, " +
			"CUE would take it and say nothing.",
		Bad: `_first: _second + 10
_second: _first - 10
policy: control: keep: schema.#Keep & {match: tasks: ["order-*"], order: _first}`,
		Good: `_first: 10
_second: _first + 10
policy: control: keep: schema.#Keep & {match: tasks: ["order-*"], order: _second}`,
	},
	{
		Code:  TestOnly,
		Title: "file of tests that changes the policy",
		Text: "Files whose names end in _test.cue are not deployed. They declare policy: test and helpers for " +
			"it, and nothing else may use those.",
		Bad: `-- policy.cue --
package policies

policy: team: "orders"
-- policy_test.cue --
package policies

policy: control: keep: {match: tasks: ["order-*"], action: "keep"}
`,
		Good: `-- policy.cue --
package policies

policy: team: "orders"
-- policy_test.cue --
package policies

policy: test: passes: {
	given: [{task: "order-1", metric: "flink_up"}]
	expect: kept: [{metric: "flink_up"}]
}
`,
	},
	{
		Code:  Unevaluated,
		Title: "CUE cannot evaluate it",
		Text:  "The message is that of CUE. The cause is usually an expression without a result.",
		Bad:   `policy: control: half: schema.#Sample & {match: tasks: ["order-*"], rate: 1 / 0}`,
		Good:  `policy: control: half: schema.#Sample & {match: tasks: ["order-*"], rate: 1 / 2}`,
	},
}
