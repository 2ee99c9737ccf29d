package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

// recordFlags are those of the command.
type recordFlags struct {
	urls, topics, hashed []string
	out                  string
	last                 time.Duration
}

func newRecord(t terminal) *cobra.Command {
	var f recordFlags
	c := &cobra.Command{
		Use:   "record",
		Short: "Record traffic: the distinct series and how much of each",
		Long: `Record what came in, so that "sluice plan" can say what a change of policies
would do to it: one line per distinct series as it was reported, with how many
samples and bytes came of it. No values are recorded.

An instance remembers its last minutes, so nothing has to be waited for. With
several instances give --url for each: each has its own partitions. With
--brokers or --topic the records are read from Kafka itself, by no group, from
the time --for ago until now.

--hash-labels replaces the values of labels by digests that are those of this
file alone, so that it can be shown to others. Rules that look at such a label
decide otherwise on the digests; a plan over the file says so.

A file that ends in .gz is compressed. Its first line says what it covers, its
last how many series there are: one that was cut off is noticed.`,
		Example: `  sluice record --out traffic.jsonl.gz
  sluice record --url http://sluice-1:7070 --url http://sluice-2:7070 > t.jsonl
  sluice record --brokers kafka-1:9092 --topic flink.native --for 2m --out t.gz
  sluice record --hash-labels host,job_name,torrent_task_id --out shared.gz`,
		Args: noArgs,
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.urls, "url", nil, "instance to ask; may be given more than once (default \""+client.DefaultURL+"\", or SLUICE_URL)")
	asking := credentialFlags(flags)
	durationFlag(flags, &f.last, "for", runtime.TrafficSince, "how much of the time until now")
	flags.StringVar(&f.out, "out", "-", "file to write; - is standard output")
	flags.StringSliceVar(&f.hashed, "hash-labels", nil, "labels whose values are replaced by digests")
	flags.StringSliceVar(&f.topics, "topic", nil, "topics to read from Kafka (default flink.native, flink.custom)")
	s := newSettings(flags, defaultConfigFile)
	s.kafka("Kafka brokers, host:port, to read the records from")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if f.last <= 0 {
			return environment(fmt.Errorf("--for is %v; want a time above 0", f.last))
		}
		opts := runtime.RecordOptions{Version: version(), HashLabels: f.hashed}
		if !flags.Changed("brokers") && !flags.Changed("topic") {
			return record(t, f.out, func(w io.Writer) (runtime.Recorded, error) {
				return recordInstances(c.Context(), w, f.urls, asking, f.last, opts)
			})
		}
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		if len(f.topics) == 0 {
			f.topics = []string{"flink.native", "flink.custom"}
		}
		return record(t, f.out, func(w io.Writer) (runtime.Recorded, error) {
			return runtime.RecordTopics(c.Context(), w, cfg, f.topics, f.last, opts)
		})
	}
	return c
}

// recordInstances asks every instance and writes what they answer.
func recordInstances(ctx context.Context, w io.Writer, urls []string, asking *asking, last time.Duration, opts runtime.RecordOptions) (runtime.Recorded, error) {
	if len(urls) == 0 {
		urls = []string{""}
	}
	var from []runtime.TrafficSource
	for _, u := range urls {
		at, err := asking.at(u)
		if err != nil {
			return runtime.Recorded{}, err
		}
		defer at.Close()
		answer, err := at.Traffic(ctx, last)
		if err != nil {
			return runtime.Recorded{}, err
		}
		defer answer.Close()
		from = append(from, runtime.TrafficSource{Name: at.URL(), In: answer})
	}
	return runtime.Record(w, from, opts)
}

// record writes a file, or leaves it as it was when that fails.
func record(t terminal, out string, from func(io.Writer) (runtime.Recorded, error)) error {
	var done runtime.Recorded
	write := func(w io.Writer) (err error) {
		done, err = compressed(w, strings.HasSuffix(out, ".gz"), from)
		return err
	}
	if out == "-" {
		if err := write(t.out); err != nil {
			return err
		}
		return tellRecorded(t, done, "standard output")
	}
	if err := writeFile(out, write); err != nil {
		return err
	}
	return tellRecorded(t, done, out)
}

func compressed(w io.Writer, gz bool, from func(io.Writer) (runtime.Recorded, error)) (runtime.Recorded, error) {
	if !gz {
		return from(w)
	}
	z := gzip.NewWriter(w)
	done, err := from(z)
	return done, errors.Join(err, z.Close())
}

// tellRecorded says on standard error what was written: standard output may be the file.
func tellRecorded(t terminal, done runtime.Recorded, out string) error {
	text := fmt.Sprintf("%d series, %d samples, %v to %s, in %s\n", done.Series, done.Samples,
		done.To.Sub(done.From).Round(time.Second), done.To.UTC().Format(time.RFC3339), out)
	if done.Unreadable > 0 {
		text += fmt.Sprintf("%d records could not be read and are left out\n", done.Unreadable)
	}
	if done.LeftOut > 0 {
		text += fmt.Sprintf("%d samples are left out: there was no room for their series\n", done.LeftOut)
	}
	if done.Series == 0 {
		text += "hint: nothing came in that time; is anything reporting, and is --for long enough?\n"
	}
	_, err := io.WriteString(t.err, text)
	return err
}
