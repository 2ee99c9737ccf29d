// Package sluice is what a transform plugin in Go is written with. It turns the
// block that Sluice hands over into records with names and labels, and what the
// plugin does to them into the answer (package abi). It builds to a WebAssembly
// module with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared, and natively, so
// that a plugin has ordinary tests: see Plugin.Try. It knows nothing of policies,
// and imports little, since every package more is in every module.
//
// A plugin is stateless: what it keeps between batches is a cache. Nothing in this
// package is safe for use by several goroutines.
package sluice

import "github.com/sluice-metrics/sluice/plugins/abi"

// Transform changes a batch in place. It is called for every batch.
type Transform func(*Batch)

// Setup makes the transform of a use of the plugin. It is called once, before the
// first batch. What it finds wrong it tells the config: see Config.Refuse.
type Setup func(*Config) Transform

// Plugin is a plugin, as Register made it.
type Plugin struct {
	setup     Setup
	transform Transform
	batch     Batch
	host      host
	counters  []*Counter
}

// host is what a plugin may call.
type host interface {
	log(level Level, text string)
	fail(code abi.Code, record int32, reason string)
	count(metric int32, n int64)
}

// Register makes the plugin of a module; a module has one. Its result is kept in a
// variable of package main, which is how it comes about before the first call, and
// by which tests find it.
func Register(setup Setup) *Plugin {
	p := &Plugin{setup: setup, host: imports}
	register(p)
	return p
}

// Each makes a transform of a function of one record. The record is valid until
// the function returns.
func Each(f func(*Record)) Transform {
	return func(b *Batch) {
		one, records := &b.one, b.records
		one.b = b
		for i := range records {
			one.raw, one.number = &records[i], int32(i)
			f(one)
		}
	}
}

// begin takes the config, JSON.
func (p *Plugin) begin(config string) abi.Code {
	c := &Config{p: p, fault: new(string)}
	var err error
	if c.value, err = decode(config); err != nil {
		c.Refuse(err.Error())
	} else if c.value.kind != object {
		c.Refuse("is " + c.value.kind.String() + ", must be an object")
	}
	if *c.fault == "" {
		p.transform = p.setup(c)
	}
	if *c.fault != "" {
		p.host.fail(abi.BadConfig, -1, *c.fault)
		return abi.BadConfig
	}
	p.batch.p = p
	return 0
}

// run transforms a block, whose bytes are valid until the next one.
func (p *Plugin) run(block []uint64) abi.Code {
	b := &p.batch
	if p.transform == nil || !b.open(block) {
		p.host.fail(abi.BadBatch, -1, "the block is not a batch of interface 1")
		return abi.BadBatch
	}
	p.transform(b)
	b.kept()
	for _, c := range p.counters {
		if c.n != 0 {
			p.host.count(c.metric, c.n)
			c.n = 0
		}
	}
	return b.refused
}

// Level says how much a line of the log matters.
type Level int32

// The levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Counter counts for the metrics of the plugin. What it counted reaches Sluice at the
// end of the batch.
type Counter struct {
	metric int32
	n      int64
}

// Add counts n more; n is not negative.
func (c *Counter) Add(n int64) { c.n += n }
