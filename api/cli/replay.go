package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newReplay(t terminal) *cobra.Command {
	opts := runtime.ReplayOptions{}
	c := &cobra.Command{
		Use:   "replay FILE|-",
		Short: "Feed records from a file into a topic",
		Long: `Feed records into a topic, so that you can try policies on your own data. FILE
has one JSON record per line, in the form of the wire contract (grouped or
flat), bare or as the "value" of a dump of a topic, and may be compressed with
gzip or zstd; "-" is standard input.

Every line is sent as it is, also one that cannot be read: the instance puts it
on the dead-letter topic, with the reason. Here they are counted, and the first
one is shown. Exit code 2: no record could be read.

--speed paces the records by their report_timestamp. --now moves the timestamps
so that the newest one of the file is the present when it is sent; it needs a
file that can be read twice. The store takes only samples at most 30 minutes
older than its newest, so older records are of little use there without --now.

Without --brokers, the instance at --url is asked for its own.`,
		Example: `  sluice replay records.jsonl --now
  sluice replay records.jsonl.zst --brokers kafka-1:9092 --speed 10
  kcat -C -t old -e | sluice replay - --brokers kafka-1:9092 --topic flink.mine`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return environment(fmt.Errorf("%s needs one file, or - for standard input", c.CommandPath()))
			}
			return nil
		},
	}
	s := newSettings(c.Flags(), defaultConfigFile)
	s.kafka("Kafka brokers, host:port; without any, those of the instance at --url")
	from := instanceFlags(c.Flags())
	c.Flags().StringVar(&opts.Topic, "topic", "flink.native", "topic to write to")
	c.Flags().Float64Var(&opts.Speed, "speed", 0, "pace: 1 as recorded, 10 ten times as fast, 0 without pause")
	c.Flags().BoolVar(&opts.Now, "now", false, "move timestamps so that the newest record is from now")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		return replay(c.Context(), cfg, from, args[0], opts, t)
	}
	return c
}

func replay(ctx context.Context, cfg runtime.Config, from *asking, file string, opts runtime.ReplayOptions, t terminal) (err error) {
	in := t.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return environment(err)
		}
		defer f.Close()
		in = f
	}
	if len(cfg.Brokers) == 0 {
		if cfg.Brokers, err = from.brokers(ctx, cfg); err != nil {
			return err
		}
	}
	sent, err := runtime.Replay(ctx, cfg, in, opts)
	if err != nil {
		return err
	}
	return tellReplayed(t, sent, file, opts)
}

// storeWindow is how much older than its newest sample one may be that the
// store takes, as its sink says by default.
const storeWindow = 30 * time.Minute

// tellReplayed says what was sent. A file without a readable record is rejected.
func tellReplayed(t terminal, sent runtime.Replayed, file string, opts runtime.ReplayOptions) error {
	if sent.Records == 0 {
		return &exitError{exitRejected, fmt.Errorf("no records in %s", file)}
	}
	unreadable := ""
	if sent.Unreadable > 0 {
		unreadable = fmt.Sprintf(", %d of them unreadable: first at %s", sent.Unreadable, sent.FirstUnreadable)
	}
	if _, err := fmt.Fprintf(t.out, "%d records (%s) to %s in %s%s\n",
		sent.Records, bytesText(sent.Bytes), opts.Topic, sent.Took.Round(time.Millisecond), unreadable); err != nil {
		return err
	}
	if sent.Unreadable == sent.Records {
		return rejected()
	}
	if !opts.Now && !sent.Newest.IsZero() && time.Since(sent.Newest) > storeWindow {
		_, err := fmt.Fprintf(t.err, "hint: the newest record is from %s, and the store takes only samples at most 30 minutes\n"+
			"older than its newest: --now moves the records to the present\n", sent.Newest.UTC().Format(time.RFC3339))
		return err
	}
	return nil
}
