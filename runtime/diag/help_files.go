package diag

// fileHelp is about files, before anything is evaluated.
var fileHelp = []Help{
	{
		Code:  Syntax,
		Title: "not CUE",
		Text: "The file breaks the grammar of CUE at the place shown. The cause is often a missing comma, quote " +
			"or brace just before it. Only the first such place of a file is reported.",
		Bad: `policy: control: noise: {
	match: metrics: ["*_debug_*"]`,
		Good: `policy: description: "Metrics of the order service"`,
	},
	{
		Code:  BadImport,
		Title: "import that is not available",
		Text: "A set imports the schema and those packages of CUE that depend on nothing outside. Sets are " +
			"evaluated without network and file system, so nothing else can be had. An import that is not " +
			"used is refused too, as CUE does.",
		Bad: `-- policy.cue --
package policies

import "example.com/shared"

policy: shared.#Policy
`,
		Good: `-- policy.cue --
package policies

import "github.com/sluice-metrics/sluice/schema"

policy: schema.#Policy & {team: "orders"}
`,
	},
	{
		Code:  BadReference,
		Title: "name that is not defined",
		Text: "The name is neither a field of the package, nor a definition of what is imported, nor an entry " +
			"of the struct that is looked up. Helpers are top-level fields whose names begin with an " +
			"underscore.",
		Bad: `_orders: ["order-*"]
policy: control: keep: schema.#Keep & {match: tasks: _order}`,
		Good: `_orders: ["order-*"]
policy: control: keep: schema.#Keep & {match: tasks: _orders}`,
	},
	{
		Code:  BadFile,
		Title: "file that cannot be part of a set",
		Text: "A set is made of regular files, each at most 1 MiB, all together at most 8 MiB and 4096 files. A " +
			"symbolic link could bring a file of the host into a policy.",
		Bad:  `$ ln -s /etc/hostname host.cue`,
		Good: `$ cp shared.cue teams/orders/shared.cue`,
	},
	{
		Code:  NoPolicy,
		Title: "no policy",
		Text: "Each team declares one value, policy. A set has its files in its root, or in a directory for " +
			"each team below teams.",
		Bad: `-- policy.cue --
package policies

_control: {}
`,
		Good: `-- policy.cue --
package policies

policy: team: "orders"
`,
	},
	{
		Code:  BadPackage,
		Title: "file that no team reads",
		Text: "Files of a set are of package policies. In a set with teams, those of the root belong to every " +
			"team and those of teams/<team> to one; files elsewhere would be left out in silence.",
		Bad: `-- policy.cue --
package orders

policy: team: "orders"
`,
		Good: `-- policy.cue --
package policies

policy: team: "orders"
`,
	},
	{
		Code:  TooExpensive,
		Title: "evaluation beyond its limits",
		Text: "A set is evaluated in a process with limits on time and memory, so that no policy can stop the " +
			"pipeline. Ten thousand rules take a quarter of them. Look for lists, texts and comprehensions " +
			"that grow without bound.",
		Bad:  `_numbers: list.Range(0, 3_000_000_000, 1)`,
		Good: `_numbers: list.Range(0, 3, 1)`,
	},
	{
		Code:  BadTag,
		Title: "tag that cannot be taken",
		Text: "A tag chooses a variant when the set is loaded, as in -t env=prod. A top-level field takes it: " +
			"@tag(env), or @tag(env,short=dev|prod) to permit -t prod. Other options, and tags on fields " +
			"further down, are refused.",
		Bad:  `_where: region: string @tag(region)`,
		Good: `_region: *"eu" | "us" @tag(region)`,
	},
	{
		Code:  Forbidden,
		Title: "construct that policies may not use",
		Text: "Files that load on a condition (@if), embed other files (@embed) or run commands (_tool.cue) " +
			"would make the set mean something else than what is written. To depend on a tag, write if #env " +
			"== \"prod\" {…}.",
		Bad: `-- policy.cue --
@if(prod)

package policies

policy: team: "orders"
`,
		Good: `#env: *"dev" | "prod" @tag(env)
if #env == "prod" {
	policy: description: "The set for production"
}`,
	},
}
