package transform

import (
	"context"
	"errors"
	"runtime"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// handle is what a rule holds of a plugin: it runs while one can be reached.
type handle struct {
	*entry
	all *Plugins
}

// Plugin describes it.
func (h *handle) Plugin() program.Plugin { return h.about }

// caller is one way to a plugin, with the batch that goes over it.
type caller struct {
	worker *plugins.Worker
	batch  plugins.Batch
	pairs  []abi.Pair
}

// pool is a use of a plugin with the ways to it that nobody is on.
type pool struct {
	use   *plugins.Use
	spare chan *caller
}

func newPool(u *plugins.Use) pool { return pool{u, make(chan *caller, runtime.GOMAXPROCS(0))} }

// borrow returns a way that nobody is on.
func (p *pool) borrow() (*caller, error) {
	select {
	case c := <-p.spare:
		return c, nil
	default:
		w, err := p.use.Worker(context.Background())
		if err != nil {
			return nil, failure(err)
		}
		return &caller{worker: w}, nil
	}
}

func (p *pool) giveBack(c *caller) {
	select {
	case p.spare <- c:
	default:
		c.worker.Close()
	}
}

// drain closes the ways that nobody is on.
func (p *pool) drain() {
	for {
		select {
		case c := <-p.spare:
			c.worker.Close()
		default:
			return
		}
	}
}

// Series asks the plugin about one series of live traffic.
func (h *handle) Series(name string, labels metric.Labels) (program.Transformed, error) {
	defer runtime.KeepAlive(h)
	return h.live.series(name, labels)
}

// Ask asks the plugin about one series of a question.
func (h *handle) Ask(name string, labels metric.Labels) (program.Transformed, error) {
	defer runtime.KeepAlive(h)
	return h.asked.series(name, labels)
}

func (p *pool) series(name string, labels metric.Labels) (program.Transformed, error) {
	c, err := p.borrow()
	if err != nil {
		return program.Transformed{}, err
	}
	defer p.giveBack(c)
	b := &c.batch
	b.Reset()
	c.add(&abi.Record{Name: b.Intern(name)}, labels)
	if err := c.worker.Run(context.Background(), b); err != nil {
		return program.Transformed{}, failure(err)
	}
	fuel := c.fuel()
	switch {
	case len(b.Failed) > 0:
		f := &b.Failed[0]
		return program.Transformed{Fuel: fuel}, &program.TransformError{Code: f.Code.String(), Message: f.Message, Transient: transient(f.Code)}
	case len(b.Records) == 0:
		return program.Transformed{Dropped: true, Fuel: fuel}, nil
	}
	r := &b.Records[0]
	return program.Transformed{Name: b.Strings[r.Name], Labels: c.labels(r), Fuel: fuel}, nil
}

// Samples asks the plugin about samples of a question, in batches of the size that it takes.
func (h *handle) Samples(in []program.Sample) (out []program.SampleOut, fuel uint64, err error) {
	defer runtime.KeepAlive(h)
	c, err := h.asked.borrow()
	if err != nil {
		return nil, 0, err
	}
	defer h.asked.giveBack(c)
	most := h.asked.use.Plugin().Limits().Records
	for from := 0; from < len(in); from += most {
		part := in[from:min(from+most, len(in))]
		b := &c.batch
		b.Reset()
		b.Now, b.Flags = part[0].Time, abi.DryRun
		for i := range part {
			s := &part[i]
			c.add(&abi.Record{Time: s.Time, Value: s.Value, Name: b.Intern(s.Name), Kind: kindOf(s.Kind)}, s.Labels)
		}
		if err := c.worker.Run(context.Background(), b); err != nil {
			return nil, fuel, failure(err)
		}
		fuel += c.fuel()
		for i := range b.Records {
			r := &b.Records[i]
			source := &part[r.Source]
			out = append(out, program.SampleOut{Source: from + int(r.Source), Sample: program.Sample{
				Name: b.Strings[r.Name], Labels: c.labels(r), Kind: source.Kind, Time: r.Time, Value: r.Value,
			}})
		}
		for i := range b.Failed {
			f := &b.Failed[i]
			out = append(out, program.SampleOut{
				Source: from + f.Record, Sample: part[f.Record],
				Failed: &program.TransformError{Code: f.Code.String(), Message: f.Message, Transient: transient(f.Code)},
			})
		}
	}
	return out, fuel, nil
}

// fuel is what the last call cost.
func (c *caller) fuel() uint64 { return uint64(max(c.worker.Fuel(), 0)) }

// add appends a record with labels to the batch.
func (c *caller) add(r *abi.Record, labels metric.Labels) {
	c.pairs = c.pairs[:0]
	for _, l := range labels {
		c.pairs = append(c.pairs, abi.Pair{Key: c.batch.Intern(l.Name), Value: c.batch.Intern(l.Value)})
	}
	c.batch.Add(*r, c.pairs...)
}

// labels reads those of a record.
func (c *caller) labels(r *abi.Record) metric.Labels {
	pairs := c.batch.Labels(r)
	out := make(metric.Labels, len(pairs))
	for i, p := range pairs {
		out[i] = metric.Label{Name: c.batch.Strings[p.Key], Value: c.batch.Strings[p.Value]}
	}
	return out.Sort()
}

// kindOf gives a kind the number that plugins know.
func kindOf(k metric.Kind) abi.Kind {
	switch k {
	case metric.Counter:
		return abi.Counter
	case metric.Meter:
		return abi.Meter
	case metric.Histogram:
		return abi.Histogram
	}
	return abi.Gauge
}

// failure says why a plugin transformed nothing.
func failure(err error) *program.TransformError {
	var e *plugins.Error
	if !errors.As(err, &e) {
		return &program.TransformError{Code: abi.Internal.String(), Message: err.Error()}
	}
	return &program.TransformError{Code: e.Code.String(), Message: e.Message, Transient: transient(e.Code)}
}

// transient reports whether the same call may end otherwise the next time.
func transient(c abi.Code) bool {
	switch c {
	case abi.Deadline, abi.OutOfMemory, abi.BatchFailed, abi.Broken:
		return true
	}
	return false
}
