// Package runtime is the program behind the doors: it loads policy sets, wires
// the engine to Kafka and to sinks, runs them, and tells how they are. Whatever api/
// asks of what lies below goes through it; metric, diag and explain are the words of
// its answers. It is the only package that knows both a port and what satisfies it.
//
// A sample's way through one instance:
//
//	input topics ─ kafka.Source ─ engine (program) ─ kafka.Sink ─► processed topic       hop 1, per stream
//	processed topic ─ kafka.Source ─ engine ─ store | scrape | remote write | kafka.Sink  hop 2, per sink
//
// DESIGN.md beside this file tells the rest; RATIONALE.md says why.
package runtime
