package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

func newStream(t terminal) *cobra.Command {
	var length, reason string
	c := &cobra.Command{
		Use:   "stream [pause|resume|drain NAME]",
		Short: "See the streams of a running instance, pause and resume them",
		Long: `Without arguments, show which streams an instance reads, in which state they
are, and how far behind.

pause stops reading a stream in that instance until resume, or for a time. The
instance stays in its consumer group and keeps its partitions, so that no other
one reads on: what comes waits in Kafka, and nothing is lost. resume goes on
where it stopped. A pause outlives a rebalance, not a restart.

drain stops reading and waits until everything that was read is acknowledged
and committed; see sluice drain.`,
		Example: `  sluice stream
  sluice stream pause native --for 30m --reason "the store is being moved"
  sluice stream resume native`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 2 {
				return nil
			}
			return environment(fmt.Errorf("%s takes no arguments, or what to do and the name of a stream", c.CommandPath()))
		},
	}
	f := c.Flags()
	f.StringVar(&length, "for", "", "pause: how long, from 1s to 7d; without it, until resume. drain: how long to wait, at most 2m")
	f.StringVar(&reason, "reason", "", "why, in 3 to 500 characters")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			if err := checkHalt(args[0], length, reason); err != nil {
				return environment(err)
			}
		}
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		if len(args) == 0 {
			list, err := at.Streams(c.Context())
			if err != nil {
				return err
			}
			return printStreams(t.out, q, list)
		}
		s, err := halt(c.Context(), at, args[0], args[1], length, reason)
		if err != nil {
			return err
		}
		return printStreams(t.out, q, []runtime.Stream{s})
	}
	return c
}

// checkHalt says what is wrong with the words.
func checkHalt(verb, length, reason string) error {
	switch {
	case verb != "pause" && verb != "resume" && verb != "drain":
		return fmt.Errorf("%q is none of pause, resume, drain", verb)
	case verb == "resume" && length != "":
		return errors.New("resume takes no --for")
	case verb != "resume" && reason == "":
		return errors.New("--reason is missing: say why in a few words")
	}
	return nil
}

func halt(ctx context.Context, at *client.Client, verb, name, length, reason string) (runtime.Stream, error) {
	switch verb {
	case "pause":
		return at.PauseStream(ctx, name, length, reason)
	case "drain":
		return at.DrainStream(ctx, name, length, reason)
	}
	return at.ResumeStream(ctx, name, reason)
}

func newDrain(t terminal) *cobra.Command {
	var length, reason string
	c := &cobra.Command{
		Use:   "drain [NAME]...",
		Short: "Make a running instance safe to stop",
		Long: `Stop reading the streams named, or all of them, and wait until everything that
was read is acknowledged by every output and its offset committed. The instance
can then be stopped, and nothing is read twice by the next owner of its
partitions but what windows of aggregates that are open need.

Afterwards the streams stay drained: sluice stream resume NAME goes on. When it
takes too long the stream stays paused, and the exit code is 1.`,
		Example: `  sluice drain --reason "the node goes away" && systemctl stop sluice
  sluice drain native --for 2m --reason "a test"`,
	}
	f := c.Flags()
	f.StringVar(&length, "for", "", "how long to wait for each stream, at most 2m (default 30s)")
	f.StringVar(&reason, "reason", "", "why, in 3 to 500 characters")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, names []string) error {
		if err := checkHalt("drain", length, reason); err != nil {
			return environment(err)
		}
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		if len(names) == 0 {
			list, err := at.Streams(c.Context())
			if err != nil {
				return err
			}
			for i := range list {
				names = append(names, list[i].Name)
			}
		}
		var drained []runtime.Stream
		for _, name := range names {
			s, err := at.DrainStream(c.Context(), name, length, reason)
			if err != nil {
				return err
			}
			drained = append(drained, s)
		}
		return printStreams(t.out, q, drained)
	}
	return c
}

func printStreams(out io.Writer, q *questions, list []runtime.Stream) error {
	if q.format == "json" {
		return printJSON(out, list)
	}
	return table(out, "STREAM\tSTATE\tPARTITIONS\tBEHIND\tWHY", "no stream: this instance reads none", list, func(s *runtime.Stream) []string {
		return []string{s.Name, s.State, partitionStates(s.Partitions), strconv.FormatInt(s.Lag, 10), whyHalted(s)}
	})
}

// partitionStates counts partitions, by state where that is not the same for all.
func partitionStates(list []runtime.Partition) string {
	n := map[string]int{}
	var order []string
	for _, p := range list {
		if n[p.State]++; n[p.State] == 1 {
			order = append(order, p.State)
		}
	}
	if len(order) < 2 {
		return strconv.Itoa(len(list))
	}
	for i, state := range order {
		order[i] = fmt.Sprintf("%d %s", n[state], state)
	}
	return strings.Join(order, ", ")
}

func whyHalted(s *runtime.Stream) string {
	if s.Halt == nil {
		return cmp.Or(s.Error, "-")
	}
	return haltText(s.Halt, time.Now())
}

// haltText says why a stream is not read, by whom, since when and until when.
func haltText(h *runtime.Halt, now time.Time) string {
	text := h.Reason
	if h.By != "" {
		text += ", by " + h.By
	}
	text += ", for " + sinceText(now.Sub(h.Since))
	if !h.Until.IsZero() {
		text += ", goes on in " + sinceText(h.Until.Sub(now).Round(time.Second))
	}
	return text
}
