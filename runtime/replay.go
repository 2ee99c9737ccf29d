package runtime

import (
	"context"
	"fmt"
	"io"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/replay"
)

// ReplayOptions say how records are fed into a topic.
type ReplayOptions = replay.Options

// Replayed counts what was fed.
type Replayed = replay.Result

// Replay feeds the records of in, one JSON object a line, plain or compressed by
// gzip or zstd, into a topic of the brokers of cfg. It returns when all of them are
// acknowledged. Errors wrap ErrConfig, ErrRejected or ErrUnreachable.
func Replay(ctx context.Context, cfg Config, in io.Reader, opts ReplayOptions) (Replayed, error) {
	conf, err := cfg.elsewhere()
	if err != nil {
		return Replayed{}, err
	}
	return replay.Run(ctx, conf, in, opts)
}

// elsewhere is how brokers are reached by who has none inside.
func (c *Config) elsewhere() (kafka.Config, error) {
	if len(c.Brokers) == 0 {
		return kafka.Config{}, fmt.Errorf("%w: brokers: missing, and no instance answers that could tell them", ErrConfig)
	}
	return c.kafka(nil)
}
