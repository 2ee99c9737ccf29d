package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
		Long: `Feed records into a topic, so that you can try policies on your own data. FILE has
one JSON record per line, in the form of the wire contract (grouped or flat), and
may be compressed with gzip or zstd; "-" is standard input.

Records are sent as they are: what is wrong with one is for the instance to find
(it goes to the dead-letter topic, with the reason). --speed paces them by their
report_timestamp: 1 as they were recorded, 10 ten times as fast, 0 without pause.
Without --brokers, the instance at --listen is asked for its own. --now moves the timestamps so that the last one of the file is the present; it
needs a file that can be read twice.`,
		Example: `  sluice replay records.jsonl --now
  sluice replay records.jsonl.zst --brokers kafka-1:9092 --speed 10
  kcat -C -t old -e | sluice replay - --brokers 127.0.0.1:9092 --topic flink.custom`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return environment(fmt.Errorf("%s needs one file, or - for standard input", c.CommandPath()))
			}
			return nil
		},
	}
	s := newSettings(c.Flags())
	s.kafka()
	c.Flags().StringVar(&opts.Topic, "topic", "flink.native", "topic to write to")
	c.Flags().Float64Var(&opts.Speed, "speed", 0, "pace: 1 as recorded, 10 ten times as fast, 0 without pause")
	c.Flags().BoolVar(&opts.Now, "now", false, "move timestamps so that the last record is from now")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		if len(cfg.Brokers) == 0 {
			if cfg.Brokers, err = brokersOf(c.Context(), cfg); err != nil {
				return err
			}
		}
		var in io.Reader = t.in
		if args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return environment(err)
			}
			defer f.Close()
			in = f
		}
		sent, err := runtime.Replay(c.Context(), cfg, in, opts)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.out, "%d records (%s) to %s in %s\n", sent.Records, bytesText(sent.Bytes), opts.Topic, sent.Took.Round(1e6))
		return err
	}
	return c
}

// brokersOf asks a running instance for its brokers, so that one with a broker
// of its own can be fed without knowing its port.
func brokersOf(ctx context.Context, cfg runtime.Config) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.Listen+"/api/v1/status", nil)
	if err != nil {
		return nil, environment(err)
	}
	if cfg.ListenToken != "" {
		token, err := runtime.Secret(cfg.ListenToken)
		if err != nil {
			return nil, environment(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, environment(fmt.Errorf("give --brokers, or start an instance: %w", err))
	}
	defer resp.Body.Close()
	var s runtime.Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || resp.StatusCode != http.StatusOK {
		return nil, environment(fmt.Errorf("the instance at %s answers %s; give --brokers", cfg.Listen, resp.Status))
	}
	if len(s.Brokers) == 0 {
		return nil, environment(fmt.Errorf("the instance at %s is still starting: %s", cfg.Listen, s.Waiting))
	}
	return s.Brokers, nil
}
