package diag

// pluginHelp is about how plugins are used.
var pluginHelp = []Help{
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
