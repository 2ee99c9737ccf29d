package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newDeadLetters(t terminal) *cobra.Command {
	var f runtime.LetterFilter
	var at []string
	var limit int
	var replay, send bool
	c := &cobra.Command{
		Use:   "dead-letters",
		Short: "See records that could not be read, and send them again",
		Long: `List the records that a running instance could not read, the newest first: when,
why, where they came from, and how they begin, without what looks like a secret.

With --replay, say what would be sent again into the topic it came from: with
key and value as they were. With --replay --send, send it. A header counts how
often: what has died four times is left where it is, so nothing goes round for
ever. A letter of which only the beginning is kept cannot be sent.`,
		Example: `  sluice dead-letters --reason not-json
  sluice dead-letters --replay --task t-184467 --limit 50
  sluice dead-letters --replay --send --at 3:17 --at 3:18`,
		Args: noArgs,
	}
	flags := c.Flags()
	flags.StringVar(&f.Stream, "stream", "", "stream that could not read them")
	flags.StringVar(&f.Reason, "reason", "", "why they could not be read, such as not-json")
	flags.StringVar(&f.Task, "task", "", "torrent_task_id, as the key of the record has it")
	flags.IntVar(&limit, "limit", 20, "how many at most, to 1000")
	flags.BoolVar(&replay, "replay", false, "say what would be sent again")
	flags.BoolVar(&send, "send", false, "with --replay: send it")
	flags.StringArrayVar(&at, "at", nil, "with --replay: partition:offset of a letter, instead of a filter")
	q := questionFlags(flags)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !replay && (send || len(at) > 0) {
			return environment(fmt.Errorf("--send and --at belong to --replay"))
		}
		offsets, err := letterOffsets(at)
		if err != nil {
			return environment(err)
		}
		ask := runtime.ReplayLettersRequest{Filter: f, Offsets: offsets, Limit: limit, Send: send}
		return deadLetters(c.Context(), t.out, q, ask, replay)
	}
	return c
}

// deadLetters lists letters, or has them sent again.
func deadLetters(ctx context.Context, out io.Writer, q *questions, ask runtime.ReplayLettersRequest, replay bool) error {
	at, err := q.open()
	if err != nil {
		return err
	}
	defer at.Close()
	if replay {
		done, err := at.ReplayLetters(ctx, ask)
		if err != nil {
			return err
		}
		if q.format == "json" {
			return printJSON(out, done)
		}
		return printReplayed(out, &done)
	}
	page, err := at.Letters(ctx, ask.Filter, "", ask.Limit)
	if err != nil {
		return err
	}
	if q.format == "json" {
		return printJSON(out, page)
	}
	var b strings.Builder
	writeLetters(&b, out, page.Items)
	if len(page.Items) == 0 {
		b.WriteString("no dead letters\n")
	}
	if page.Next != "" {
		b.WriteString("-- there may be more: see --limit, --reason and --task\n")
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// letterOffsets reads partition:offset.
func letterOffsets(list []string) (map[int32][]int64, error) {
	var out map[int32][]int64
	for _, text := range list {
		partition, offset, ok := strings.Cut(text, ":")
		id, err1 := strconv.ParseInt(partition, 10, 32)
		n, err2 := strconv.ParseInt(offset, 10, 64)
		if !ok || err1 != nil || err2 != nil || id < 0 || n < 0 {
			return nil, fmt.Errorf("--at is %q; want partition:offset, such as 3:17", text)
		}
		if out == nil {
			out = map[int32][]int64{}
		}
		out[int32(id)] = append(out[int32(id)], n)
	}
	return out, nil
}

// writeLetters draws letters: what is wrong, and below how the record begins.
func writeLetters(b *strings.Builder, out io.Writer, list []runtime.Letter) {
	paint, columns := painterFor(out), columnsOf(out)
	for i := range list {
		l := &list[i]
		reason := printable(l.Reason)
		head := fmt.Sprintf("%s  %-14s  %-8s  %s: %s", l.At.Local().Format("01-02 15:04:05"), fmt.Sprintf("%d:%d", l.Partition, l.Offset),
			bytesText(uint64(l.Bytes)), reason, printable(cmp.Or(l.Detail, "no detail")))
		if l.Replays > 0 {
			head += ", sent again " + times(l.Replays)
		}
		b.WriteString(strings.Replace(hanging(head, 16, columns), reason, paint.red(reason), 1) + "\n")
		from := "from " + cmp.Or(l.Source, "an unknown place")
		if l.Task != "" {
			from += ", task " + l.Task
		}
		b.WriteString(paint.dim("                "+hanging(printable(from), 16, columns)) + "\n")
		text := strings.ReplaceAll(printable(strings.ReplaceAll(l.Text, "\n", " ")), "\t", " ")
		most := 400
		if columns > 0 {
			most = max(columns-17, 20)
		}
		b.WriteString("                " + fitted(text, most) + "\n")
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

func printReplayed(out io.Writer, done *runtime.ReplayedLetters) error {
	var b strings.Builder
	writeLetters(&b, out, done.Letters)
	n := counted(len(done.Letters), "letter")
	if done.Sent {
		fmt.Fprintf(&b, "%s sent again at %s\n", n, time.Now().Format("15:04:05"))
	} else {
		fmt.Fprintf(&b, "%s would be sent again; nothing is, without --send\n", n)
	}
	for _, why := range slices.Sorted(maps.Keys(done.Left)) {
		fmt.Fprintf(&b, "%s left: %s\n", counted(done.Left[why], "letter"), printable(why))
	}
	if done.More {
		b.WriteString("there may be more: see --limit\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
