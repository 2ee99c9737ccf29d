package diag

// analysisHelp is about how the rules of a set, and what is known of Flink, go together.
var analysisHelp = []Help{
	{
		Code:  Ambiguous,
		Title: "two rules that want different things of one series",
		Text: "The first rule that matches decides. Two rules of one tier and order that match the same series and do " +
			"different things leave that to their names, and a rule that is renamed would change what is kept. The " +
			"finding shows such a series. Give the rules different orders, or let one exclude the series by unless.",
		Bad: `policy: control: latency: schema.#Keep & {match: metrics: ["*_latency_*"]}
policy: control: debug: schema.#Drop & {match: metrics: ["x_*"], reason: "not needed"}`,
		Good: `policy: control: latency: schema.#Keep & {match: metrics: ["*_latency_*"], order: 50}
policy: control: debug: schema.#Drop & {match: metrics: ["x_*"], reason: "not needed"}`,
	},
	{
		Code:  NeverDecides,
		Title: "rule that nothing is left for",
		Text: "Rules before this one decide about everything that it matches, or it matches nothing. That is known " +
			"for all series there can be, not only for those that were seen. Remove the rule, put it before the " +
			"others, or narrow them.",
		Bad: `policy: control: all: schema.#Drop & {match: tasks: ["order-*"], reason: "not needed", order: 10}
policy: control: some: schema.#Keep & {match: {tasks: ["order-etl-*"], metrics: ["flink_*"]}}`,
		Good: `policy: control: all: schema.#Drop & {match: tasks: ["order-*"], reason: "not needed"}
policy: control: some: schema.#Keep & {match: {tasks: ["order-etl-*"], metrics: ["flink_*"]}, order: 10}`,
	},
	{
		Code:  Overruled,
		Title: "rule whose series all belong to a guard",
		Text: "A guard decides before the rules of tenants, and this one matches everything that the rule matches. " +
			"The rule has no effect; whoever wrote it should know. Remove it, or agree with the owner of the guard " +
			"on an exception.",
		Bad: `policy: control: debug: schema.#Drop & {tier: "guard", match: metrics: ["*_debug_*"], reason: "too many"}
policy: control: mine: schema.#Keep & {match: metrics: ["orders_debug_*"]}`,
		Good: `policy: control: debug: schema.#Drop & {tier: "guard", match: metrics: ["*_debug_*"], reason: "too many"}
policy: control: debug: unless: metrics: ["orders_debug_*"]
policy: control: mine: schema.#Keep & {match: metrics: ["orders_debug_*"]}`,
	},
	{
		Code:  UnknownMetric,
		Title: "name that is like Flink's and is none",
		Text: "The pattern begins as the names of Flink's metrics do and matches none of them, but a letter or two " +
			"away from it is one; or Flink has no scope of that name. Metrics of the code of a job are not known, so " +
			"nothing is said about names that may be theirs. To say that a metric exists, show it in a test.",
		Bad:  `policy: control: records: schema.#Keep & {match: metrics: ["flink_taskmanager_job_task_numRecordIn"]}`,
		Good: `policy: control: records: schema.#Keep & {match: metrics: ["flink_taskmanager_job_task_numRecordsIn"]}`,
	},
	{
		Code:  UnknownLabel,
		Title: "label or tag that nothing gives",
		Text: "Flink does not give the label, no rewrite sets it, and no test shows it; or no entry of task gives the " +
			"tag. Where it is absent its value is \"\", so the rule matches nothing, or does nothing. A label that the " +
			"code of a job adds is known once a test shows it.",
		Bad: `policy: control: sources: schema.#Keep & {match: labels: operator: ["Source:*"]}`,
		Good: `policy: control: sources: schema.#Keep & {match: labels: operator_name: ["Source:*"]}
policy: control: europe: schema.#Keep & {match: labels: region: ["eu-*"]}
policy: test: "region-is-a-label": {
	given: [{task: "t-1", metric: "orders_open", labels: region: "eu-1"}]
	expect: kept: [{task: "t-1", metric: "orders_open", labels: region: "eu-1"}]
}`,
	},
	{
		Code:  LabelGone,
		Title: "rewrite of a label that another has taken away",
		Text: "Each rewrite works on the outcome of those before it. One of them drops or renames the label that this " +
			"one reads, for everything that this one matches, so it finds nothing.",
		Bad: `policy: rewrite: drop: schema.#DropLabels & {match: metrics: ["*"], labels: ["operator_name"], order: 10}
policy: rewrite: table: schema.#TableName & {match: metrics: ["*"], from: "operator_name", into: "table", order: 20}`,
		Good: `policy: rewrite: table: schema.#TableName & {match: metrics: ["*"], from: "operator_name", into: "table", order: 10}
policy: rewrite: drop: schema.#DropLabels & {match: metrics: ["*"], labels: ["operator_name"], order: 20}`,
	},
	{
		Code:  TwoWriters,
		Title: "two rewrites that give one label two values",
		Text: "Both have the same order, match the same series and change the same label, or the name, so the one " +
			"whose name comes last in the alphabet has the last word. Say by order which one is meant.",
		Bad: `policy: rewrite: eu: schema.#SetLabel & {match: tasks: ["*-eu"], label: "region", value: "eu"}
policy: rewrite: orders: schema.#SetLabel & {match: tasks: ["order-*"], label: "region", value: "all"}`,
		Good: `policy: rewrite: eu: schema.#SetLabel & {match: tasks: ["*-eu"], label: "region", value: "eu"}
policy: rewrite: orders: schema.#SetLabel & {match: tasks: ["order-*"], unless: tasks: ["*-eu"], label: "region", value: "all"}`,
	},
	{
		Code:  Merges,
		Title: "rewrite that makes one series of several",
		Text: "Two series that live at the same time, such as those of two subtasks, come out with the same name and " +
			"labels. Their samples are mixed: a counter jumps to and fro, and looks as if it restarted all the time. " +
			"Keep a label that tells them apart, or put them together with an aggregate, which adds counters up.",
		Bad: `policy: rewrite: short: schema.#DropLabels & {match: metrics: ["*"], labels: ["subtask_index"]}`,
		Good: `policy: rewrite: short: schema.#DropLabels & {match: metrics: ["*"], labels: ["task_attempt_num", "task_attempt_id"]}
policy: rewrite: names: schema.#DropLabels & {match: metrics: ["*"], labels: ["operator_id"]}`,
	},
	{
		Code:  UnsaidLoss,
		Title: "fewer samples than a level promises, without saying so",
		Text: "A stream of level no-loss or exactly-once promises that every sample arrives, and the rule lets only a " +
			"part of them through. Both may be meant; then the rule says so by accept. Control does not see which " +
			"stream a series came from, so one such stream in the set is enough. To drop says by itself what it does.",
		Bad: `policy: stream: native: {topics: ["flink-native"], level: "no-loss"}
policy: sink: store: schema.#Store & {default: true}
policy: control: slow: schema.#Thin & {match: tasks: ["etl-*"], every: "1m"}`,
		Good: `policy: stream: native: {topics: ["flink-native"], level: "no-loss"}
policy: sink: store: schema.#Store & {default: true}
policy: control: slow: schema.#Thin & {match: tasks: ["etl-*"], every: "1m", accept: "loss"}`,
	},
	{
		Code:  NotAnalysed,
		Title: "patterns that take too long to compare",
		Text: "Whether rules overlap is decided by automata, and those of some expressions grow beyond any bound. The " +
			"rule works, but whether it contradicts others, or is ever reached, was not found out.",
		Bad: `policy: control: a: schema.#Keep & {match: tasks: ["re:(a|b)*a(a|b){20}"]}
policy: control: b: schema.#Drop & {match: tasks: ["re:(a|b)*b(a|b){20}"], reason: "not needed"}`,
		Good: `policy: control: a: schema.#Keep & {match: tasks: ["a*"]}
policy: control: b: schema.#Drop & {match: tasks: ["b*"], reason: "not needed"}`,
	},
}
