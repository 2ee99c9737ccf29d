package transform

import (
	"context"
	"fmt"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// Workers opens the plugins of transforms of scope sample for the workers of an engine.
type Workers struct{}

// Open opens a worker's own way through the plugin of a transform.
func (Workers) Open(t *program.Transform) (engine.Transformer, error) {
	h, ok := t.Plugin.(*handle)
	if !ok {
		return nil, fmt.Errorf("the plugin of transform %s is not one of these", t.ID)
	}
	w, err := h.live.use.Worker(context.Background())
	if err != nil {
		return nil, failure(err)
	}
	return &way{handle: h, worker: w}, nil
}

// way is one worker's way through a plugin. It keeps the plugin running.
type way struct {
	handle *handle
	worker *plugins.Worker
	batch  plugins.Batch
}

// Transform passes a batch of the engine through the plugin.
func (w *way) Transform(ctx context.Context, b *engine.Batch) error {
	x := &w.batch
	x.Fill(b.Records, b.Pairs, b.Strings)
	x.Now, x.Sequence, x.Flags = b.Now, b.Sequence, b.Flags
	if err := w.worker.Run(ctx, x); err != nil {
		return err
	}
	b.Strings = append(b.Strings, x.Strings[len(b.Strings):]...)
	b.Records, b.Pairs = append(b.Records[:0], x.Records...), append(b.Pairs[:0], x.Pairs...)
	for i := range x.Failed {
		f := &x.Failed[i]
		b.Failed = append(b.Failed, engine.Failure{Record: f.Record, Code: f.Code.String(), Message: f.Message})
	}
	return nil
}

// Close gives the way up.
func (w *way) Close() {
	w.worker.Close()
	w.handle = nil
}
