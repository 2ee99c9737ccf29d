package diag

// meaningHelp is about the meaning of a set that has the right shape.
var meaningHelp = []Help{
	{
		Code:  UnknownName,
		Title: "name that the set does not have",
		Text: "Routes name sinks and streams, tests name rules. The names are those of the whole set; a rule of " +
			"another team is team/name.",
		Bad: `policy: sink: archive: schema.#Kafka & {topic: "archive", default: true}
policy: control: etl: schema.#Route & {match: tasks: ["etl-*"], to: ["archiv"]}`,
		Good: `policy: sink: archive: schema.#Kafka & {topic: "archive", default: true}
policy: control: etl: schema.#Route & {match: tasks: ["etl-*"], to: ["archive"]}`,
	},
	{
		Code:  BadPattern,
		Title: "not an expression of RE2",
		Text: "Regular expressions are those of RE2: matching takes time linear in the text, and there are no " +
			"look-arounds and back-references.",
		Bad: `policy: control: keep: schema.#Keep & {match: tasks: ["re:(?!test).*"]}`,
		Good: `policy: control: keep: schema.#Keep & {match: tasks: ["*"]}
policy: control: keep: unless: tasks: ["test*"]`,
	},
	{
		Code:  BadQuantity,
		Title: "quantity that makes no sense",
		Text: "The text has the form of a day, a duration, a size or an address, but there is none such, or it " +
			"is too small or large for this field. A duration names each unit once, the larger before the " +
			"smaller.",
		Bad:  `policy: control: slow: schema.#Thin & {match: tasks: ["etl-*"], every: "0s"}`,
		Good: `policy: control: slow: schema.#Thin & {match: tasks: ["etl-*"], every: "1m30s"}`,
	},
	{
		Code:  Expiring,
		Title: "rule that has expired, or soon will",
		Text: "A rule ends at the start of its day of expiry (UTC), a task after its last day. This warns a " +
			"week before, so that nobody is surprised.",
		Bad:  `policy: control: keep: schema.#Keep & {match: tasks: ["order-*"], expires: "2020-01-01"}`,
		Good: `policy: control: keep: schema.#Keep & {match: tasks: ["order-*"]}`,
	},
	{
		Code:  DirectLevel,
		Title: "direct with a level that needs the processed topic",
		Text: "Without the processed topic nothing is kept that could be read again, so a stream that is direct " +
			"cannot promise more than level none.",
		Bad:  `policy: stream: native: {topics: ["flink-native"], direct: true}`,
		Good: `policy: stream: native: {topics: ["flink-native"], level: "none", direct: true}`,
	},
	{
		Code:  TopicLoop,
		Title: "topic that would be read again",
		Text: "What is written to an input topic is read again, written again, and so for ever. The same holds " +
			"for sinks that write the topic from which sinks read.",
		Bad:  `policy: stream: native: {topics: ["flink-native"], processed: "flink-native"}`,
		Good: `policy: stream: native: {topics: ["flink-native"], processed: "flink-processed"}`,
	},
	{
		Code:  TopicTwice,
		Title: "topic or path with two owners",
		Text: "A topic belongs to one stream, which decides its level. A path of the HTTP endpoint belongs to " +
			"one sink.",
		Bad: `policy: stream: native: topics: ["flink"]
policy: stream: custom: topics: ["flink"]`,
		Good: `policy: stream: native: topics: ["flink-native"]
policy: stream: custom: topics: ["flink-custom"]`,
	},
	{
		Code:  NegativeScale,
		Title: "factor that turns a count around",
		Text: "A count that goes down looks like a restart to whoever computes a rate from it. A negative " +
			"factor is for gauges only.",
		Bad:  `policy: rewrite: sign: schema.#Scale & {match: metrics: ["*_offset"], factor: -1}`,
		Good: `policy: rewrite: sign: schema.#Scale & {match: {metrics: ["*_offset"], kinds: ["gauge"]}, factor: -1}`,
	},
	{
		Code:  NoDefaultSink,
		Title: "no sink takes what no route sends",
		Text: "A set with sinks usually wants its series in one of them. Without a default sink, only what a " +
			"route names goes anywhere.",
		Bad:  `policy: sink: archive: schema.#Kafka & {topic: "archive"}`,
		Good: `policy: sink: archive: schema.#Kafka & {topic: "archive", default: true}`,
	},
	{
		Code:  BadGroup,
		Title: "group that the expression does not have",
		Text: "In the value of extract, $1 or ${1} is the first group of regex, $name or ${name} a named one, " +
			"and $$ a dollar. A name is as long as it can be: $1_x is the group 1_x.",
		Bad: `policy: rewrite: table: schema.#Extract & {
	match: metrics: ["*"]
	from: "task_name", regex: "Source: .*", into: "table"
}`,
		Good: `policy: rewrite: table: schema.#Extract & {
	match: metrics: ["*"]
	from: "task_name", regex: "Source: (.*)", into: "table"
}`,
	},
	{
		Code:  Credentials,
		Title: "two ways to authenticate",
		Text:  "A request carries one Authorization header. Give basic, or bearer, or neither.",
		Bad: `policy: sink: mimir: schema.#RemoteWrite & {
	url: "https://mimir.example.com/api/v1/push", default: true
	bearer: "env://TOKEN", basic: {user: "sluice", password: "env://PASSWORD"}
}`,
		Good: `policy: sink: mimir: schema.#RemoteWrite & {
	url: "https://mimir.example.com/api/v1/push", default: true
	bearer: "env://TOKEN"
}`,
	},
	{
		Code:  SameLabel,
		Title: "rewrite from a label to itself",
		Text:  "The rewrite names one label twice, so it does nothing.",
		Bad:   `policy: rewrite: job: schema.#RenameLabel & {match: metrics: ["*"], from: "job_name", to: "job_name"}`,
		Good:  `policy: rewrite: job: schema.#RenameLabel & {match: metrics: ["*"], from: "job_name", to: "job"}`,
	},
	{
		Code:  NeverMatches,
		Title: "pattern that no name fits",
		Text: "Names of metrics and labels have letters, digits and underscores, and a pattern must match the " +
			"whole name. A pattern with any other character matches nothing; it was probably meant as a " +
			"regular expression.",
		Bad:  `policy: control: keep: schema.#Keep & {match: metrics: ["flink_(task|job)_.*"]}`,
		Good: `policy: control: keep: schema.#Keep & {match: metrics: ["re:flink_(task|job)_.*"]}`,
	},
	{
		Code:  TestFailed,
		Title: "test that fails",
		Text: "A test of the set expects something else than what its rules do. One of the two is wrong; the set " +
			"runs when they agree.",
		Bad: `policy: control: noise: schema.#Drop & {match: metrics: ["*_debug_*"], reason: "not needed"}
policy: test: noise: {
	given: [{task: "order-1", metric: "flink_up"}]
	expect: dropped: [{metric: "flink_up", by: "noise"}]
}`,
		Good: `policy: control: noise: schema.#Drop & {match: metrics: ["*_debug_*"], reason: "not needed"}
policy: test: noise: {
	given: [{task: "order-1", metric: "flink_debug_up"}]
	expect: dropped: [{metric: "flink_debug_up", by: "noise"}]
}`,
	},
	{
		Code:  LevelToCome,
		Title: "level that is not available yet",
		Text: "The schema has the words no-duplicate and exactly-once, but this version keeps neither promise. A " +
			"stream that asks for one is refused rather than served with less.",
		Bad:  `policy: stream: native: {topics: ["flink-native"], level: "exactly-once"}`,
		Good: `policy: stream: native: {topics: ["flink-native"], level: "no-loss"}`,
	},
	{
		Code:  NoFlow,
		Title: "nothing to read, or nowhere to write",
		Text: "A set can be checked and tested without streams and sinks, so this is a warning. An instance needs " +
			"at least one of each and refuses to run without.",
		Bad: `policy: stream: native: topics: ["flink-native"]`,
		Good: `policy: stream: native: topics: ["flink-native"]
policy: sink: archive: schema.#Kafka & {topic: "archive", default: true}`,
	},
	{
		Code:  Twice,
		Title: "two of what a set has once",
		Text: "Names of streams and sinks are those of the whole set: consumer groups and metrics are named after " +
			"them, whichever team declares them. And an instance has one store, in its data directory. What a file " +
			"of the root declares, every team declares.",
		Bad: `policy: sink: store: schema.#Store & {default: true}
policy: sink: longer: schema.#Store & {retention: "90d"}`,
		Good: `policy: sink: store: schema.#Store & {default: true, retention: "90d"}`,
	},
	{
		Code:  DirectMixed,
		Title: "what a set with direct streams cannot have",
		Text: "Sinks are fed in one way: all streams hand them their series, or all write processed topics from " +
			"which the sinks read. So all streams are direct or none is. With direct ones there is no processed " +
			"topic that a sink of type kafka could copy, or to which a route could send.",
		Bad: `policy: stream: native: {topics: ["flink-native"], level: "none", direct: true}
policy: sink: archive: schema.#Kafka & {topic: "archive", default: true}`,
		Good: `policy: stream: native: {topics: ["flink-native"], level: "none", direct: true}
policy: sink: store: schema.#Store & {default: true}`,
	},
	{
		Code:  PathTaken,
		Title: "path on which Sluice itself answers",
		Text: "The HTTP endpoint has pages of its own: /, /metrics, /healthz, /readyz, and everything below /api " +
			"and /prometheus. A sink of type scrape is exposed on another path.",
		Bad:  `policy: sink: tasks: schema.#Scrape & {path: "/metrics", default: true}`,
		Good: `policy: sink: tasks: schema.#Scrape & {path: "/metrics/tasks", default: true}`,
	},
}
