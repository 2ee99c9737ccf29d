package diag

// mergingHelp is about aggregates and budgets.
var mergingHelp = []Help{
	{
		Code:  CrossPartition,
		Title: "members that are on different partitions",
		Text: "An instance reads some partitions of a topic, and merges what it reads. Series can be merged when they " +
			"share a partition: by default those of one metric of one task, as records are keyed by both. So the label " +
			"torrent_task_id has to stay, and several metrics cannot become one. A stream whose producers key records by " +
			"task says key: \"task\"; its metrics may be merged. With key: \"process\" nothing can be: aggregate in the " +
			"store, by a recording rule. Before the merge, neither a rewrite nor a plugin may change torrent_task_id. What " +
			"a plugin may change its manifest says under writes: one that names torrent_task_id is refused, one that " +
			"writes all labels (\"*\") or names of several metrics gets a warning. A transform may name the labels that its " +
			"plugin is to change, of those: writes: [\"user\"].",
		Bad: `policy: aggregate: fleet: schema.#Aggregate & {
	match: {metrics: ["flink_taskmanager_job_task_numRecordsIn"], kinds: ["counter"]}
	drop: ["subtask_index", "torrent_task_id"]
}`,
		Good: `policy: aggregate: task: schema.#Aggregate & {
	match: {metrics: ["flink_taskmanager_job_task_numRecordsIn"], kinds: ["counter"]}
	drop: ["subtask_index"]
}`,
	},
	{
		Code:  AggregateLabels,
		Title: "either drop or keep",
		Text: "An aggregate says which labels its series has: all but those in drop, or only those in keep. It needs " +
			"one of the two.",
		Bad: `policy: aggregate: task: schema.#Aggregate & {
	match: {metrics: ["*_numRecordsIn"], kinds: ["counter"]}
}`,
		Good: `policy: aggregate: task: schema.#Aggregate & {
	match: {metrics: ["*_numRecordsIn"], kinds: ["counter"]}
	drop: ["subtask_index", "tm_id", "host"]
}`,
	},
	{
		Code:  AggregateInto,
		Title: "members and their aggregate under one name",
		Text: "Where the members go on as well, a query that adds up all series of the name would count everything " +
			"twice. Give what comes out a name of its own.",
		Bad: `policy: aggregate: task: schema.#Aggregate & {
	match: {metrics: ["flink_numRecordsIn"], kinds: ["counter"]}
	drop: ["subtask_index"], members: "keep"
}`,
		Good: `policy: aggregate: task: schema.#Aggregate & {
	match: {metrics: ["flink_numRecordsIn"], kinds: ["counter"]}
	drop: ["subtask_index"], members: "keep", into: "flink_numRecordsIn_all"
}`,
	},
	{
		Code:  GaugeUnchosen,
		Title: "gauges without a way to put them together",
		Text: "What is right for a gauge depends on what it measures: queues add up, ratios have an average, lags a " +
			"maximum. An aggregate that may match gauges chooses with gauge; one that is about other kinds says so with " +
			"match: kinds.",
		Bad:  `policy: aggregate: busy: schema.#Aggregate & {match: metrics: ["*_busyTimeMsPerSecond"], drop: ["subtask_index"]}`,
		Good: `policy: aggregate: busy: schema.#Aggregate & {match: metrics: ["*_busyTimeMsPerSecond"], drop: ["subtask_index"], gauge: "max"}`,
	},
	{
		Code:  BudgetUnbound,
		Title: "budget without a bound",
		Text:  "A budget bounds live series, samples per second, or the growth of series. It needs at least one of them.",
		Bad:   `policy: budget: task: schema.#Budget & {match: metrics: ["*"], per: "task"}`,
		Good:  `policy: budget: task: schema.#Budget & {match: metrics: ["*"], per: "task", series: 10000}`,
	},
	{
		Code:  WindowBounds,
		Title: "window that is too short or too long",
		Text: "A window lasts from a second to five minutes, and waits for late samples for five minutes at most. After a " +
			"restart, the last windows are read again, so they cannot be long; for longer times use a recording rule.",
		Bad: `policy: aggregate: busy: schema.#Aggregate & {
	match: metrics: ["*_busyTimeMsPerSecond"]
	drop: ["subtask_index"], gauge: "max", window: "1h"
}`,
		Good: `policy: aggregate: busy: schema.#Aggregate & {
	match: metrics: ["*_busyTimeMsPerSecond"]
	drop: ["subtask_index"], gauge: "max", window: "1m"
}`,
	},
}
