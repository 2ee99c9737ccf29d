package runtime

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-metrics/sluice/examples/data"
	"github.com/sluice-metrics/sluice/runtime/internal/fleet"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// FleetOptions describe the fleet of the demo: what real jobs reported, replayed
// under many task ids.
type FleetOptions struct {
	Jobs int // Flink jobs, at least 1
	Rate int // records per second of all of them; 0: what they sent when they were recorded
}

// runFleet lets the fleet report to the input topics.
func (r *Runtime) runFleet(ctx context.Context, ready func()) error {
	p, err := kafka.NewPublisher(r.kafka, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	defer p.Close()
	native, custom := r.opened().inputTopics()
	f, err := fleet.New(fleet.Options{
		Recording: data.FS, Jobs: r.opts.Fleet.Jobs, Rate: float64(r.opts.Fleet.Rate), Native: native, Custom: custom,
	}, p)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	ready()
	if err := r.AwaitReady(ctx); err != nil {
		return nil // stopped before it began
	}
	return f.Run(ctx)
}

// AwaitReady returns when the instance does all it is there for, or with the error
// of ctx.
func (r *Runtime) AwaitReady(ctx context.Context) error {
	const often = 20 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	for r.Ready() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// inputTopics are the topics that the fleet reports to: those of the default set
// where the set in force reads them, else the first that it reads.
func (l *loadedSet) inputTopics() (native, custom string) {
	read := map[string]bool{}
	first := ""
	for _, s := range l.streams() {
		for _, t := range s.Topics {
			read[t] = true
			if first == "" || t < first {
				first = t
			}
		}
	}
	pick := func(topic string) string {
		if read[topic] {
			return topic
		}
		return first
	}
	return pick("flink.native"), pick("flink.custom")
}
