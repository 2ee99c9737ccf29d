package diag

// pluginHelp is about how plugins are used.
var pluginHelp = []Help{
	{
		Code:  PluginMissing,
		Title: "plugin that is not there, or is another",
		Text: "A transform names its plugin by a file of the set, as ./plugins/mask.wasm from its root, or by the " +
			"name and digest of one that was pushed. The set has no such file, nothing was pushed under the " +
			"digest, or what was is called otherwise. A digest pins the very bytes: another version has another " +
			"digest. `sluice plugin list` shows what was pushed. A command that asks no instance, such as `sluice check`, " +
			"knows no plugin that was pushed: it looks for the digest among the .wasm files of the set.",
		Bad: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	config: labels: ["user"]
}`,
		Good: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config: labels: ["user"]
}`,
	},
	{
		Code:  PluginRefused,
		Title: "module that is not let in",
		Text: "A module is read before anything of it runs: it must be WebAssembly, carry a manifest, export what " +
			"the plugin interface asks for, import nothing else than it offers, and be within the bounds that " +
			"keep compiling it cheap. The message says which of these it is not; `sluice plugin inspect` shows " +
			"all of it.",
		Bad: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	config: labels: ["user"]
}`,
		Good: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config: labels: ["user"]
}`,
	},
	{
		Code:  PluginConfig,
		Title: "config that the plugin does not take",
		Text: "The manifest of a plugin has a schema for its config: which settings there are, of which kind, and " +
			"which must be given. The config of the transform does not fit it. A plugin whose manifest has no " +
			"schema takes no config.",
		Bad: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config: labels: "user"
}`,
		Good: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config: labels: ["user"]
}`,
	},
	{
		Code:  PluginScope,
		Title: "scope that the plugin is not for",
		Text: "A plugin is written for one scope, which its manifest names: series, called once for the name and " +
			"labels of each series, or sample, called for every value in batches. A transform may repeat it, and " +
			"cannot change it. To try a plugin on a share of batches, with shadow, is for scope sample.",
		Bad: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	scope: "sample"
	config: labels: ["user"]
}`,
		Good: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config: labels: ["user"]
}`,
	},
	{
		Code:  PluginLimits,
		Title: "more than plugins may use",
		Text: "The operator of an instance says how much memory a plugin may have and how long a batch may take at " +
			"most. A transform may lower both and cannot raise them; a plugin that asks for more in its manifest " +
			"is not used. Nor may its plugin change labels that the manifest does not name: writes only leaves some out. Where the instance is given more, with --plugin-pages and --plugin-batch, give the same to " +
			"`sluice check`, which else takes the defaults.",
		Bad: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config: labels: ["user"]
	limits: pages: 4096
}`,
		Good: `policy: transform: mask: schema.#Transform & {
	match: labels: user: ["?*"]
	plugin: "mask@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	config: labels: ["user"]
}`,
	},
	{
		Code:  PluginFailed,
		Title: "plugin that cannot be made ready",
		Text: "The plugin is there and is let in, but it could not be started with its config: it took too long to " +
			"compile, refused the config, or failed for the first batch, which is made up. The message says in which step, " +
			"and what the plugin said. `sluice plugin test` shows the same beside its fixtures.",
		Bad: `policy: transform: tier: schema.#Transform & {
	match: metrics: ["orders_*"]
	plugin: "./plugins/tier.wasm"
	config: table: {}
}`,
		Good: `policy: transform: tier: schema.#Transform & {
	match: metrics: ["orders_*"]
	plugin: "./plugins/tier.wasm"
	config: table: {"order-etl": "gold"}
}`,
	},
}
