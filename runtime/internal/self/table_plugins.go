package self

// plugins are the rows about plugins, by name and version.
func (m *Metrics) plugins() []row {
	of := func(more ...string) []string { return append([]string{"plugin", "version"}, more...) }
	return []row{
		{&m.PluginCalls, Row{Name: "sluice_plugin_calls_total", Unit: "calls", Labels: of(),
			Help: "Batches that a plugin was called with."}},
		{&m.PluginRecords, Row{Name: "sluice_plugin_records_total", Unit: "records", Labels: of("result"),
			Help: "Records of a plugin: in, out, and of these dropped and made."}},
		{&m.PluginFailed, Row{Name: "sluice_plugin_failed_records_total", Unit: "records", Labels: of("code"),
			Help: "Records that a plugin did not transform, by why; those of a failed batch count each time it is tried."}},
		{&m.PluginSeconds, Row{Name: "sluice_plugin_call_seconds", Unit: "seconds", Labels: of(),
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1},
			Help:    "Time that a plugin took for a batch."}},
		{&m.PluginFuel, Row{Name: "sluice_plugin_fuel_total", Unit: "instructions", Labels: of(),
			Help: "Instructions that a plugin was charged for, the same for the same records on every machine."}},
		{&m.PluginMemory, Row{Name: "sluice_plugin_memory_bytes", Unit: "bytes", Labels: of(),
			Help: "Memory of the instances of a plugin."}},
		{&m.PluginInstances, Row{Name: "sluice_plugin_instances", Unit: "instances", Labels: of(),
			Help: "Instances of a plugin, the spare ones among them."}},
		{&m.PluginReplaced, Row{Name: "sluice_plugin_replacements_total", Unit: "instances", Labels: of(),
			Help: "Instances of a plugin that were given up, after an error or because they had grown."}},
		{&m.PluginBreaker, Row{Name: "sluice_plugin_breaker_open", Unit: "1", Labels: of(),
			Help: "Whether a plugin is not called because it fails: 1, and 0.5 while one batch tries it."}},
		{&m.PluginTried, Row{Name: "sluice_plugin_tried_records_total", Unit: "records", Labels: of("result"),
			Help: "Records that a plugin was only tried on: unchanged, changed, dropped or failed; and those that it would have made."}},
		{&m.PluginCounts, Row{Name: "sluice_plugin_counted_total", Unit: "1", Labels: of("counter"),
			Help: "What a plugin counts itself, by the counters of its manifest."}},
	}
}
