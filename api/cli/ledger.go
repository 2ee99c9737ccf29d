package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newLedger(t terminal) *cobra.Command {
	var partitions bool
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Prove what became of every sample of a running instance",
		Long: `Show the account of each stream and each sink since the instance was started:
samples in, and below what became of them, down to the line where both are the
same. What a rule, a sink or a fault did stands under the disposition.

in-flight samples wait for an output, held ones for the end of an interval:
both are something else in the end. Aggregates and overflow series make samples
besides; those are not in the account of what came in.

The exit code is 1 when an account does not balance: that is a defect of Sluice.`,
		Example: `  sluice ledger
  sluice ledger --partitions
  sluice ledger --format json | jq .imbalance`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&partitions, "partitions", false, "show the account of each partition, too")
	q := questionFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		l, err := at.Ledger(c.Context())
		if err != nil {
			return err
		}
		if q.format == "json" {
			err = printJSON(t.out, l)
		} else {
			err = printLedger(t.out, &l, partitions)
		}
		if err == nil && l.Imbalance != 0 {
			return &exitError{exitFault, fmt.Errorf("%d samples are not accounted for", l.Imbalance)}
		}
		return err
	}
	return c
}

func printLedger(out io.Writer, l *runtime.Ledger, partitions bool) error {
	var b strings.Builder
	paint := painterFor(out)
	for _, kind := range []struct {
		name  string
		books []runtime.LedgerBook
	}{{"stream", l.Streams}, {"sink", l.Sinks}} {
		for i := range kind.books {
			writeBook(&b, paint, kind.name, &kind.books[i], partitions, columnsOf(out))
		}
	}
	if b.Len() == 0 {
		return environment(errors.New("the instance has neither streams nor sinks yet; 'sluice status' says what it waits for"))
	}
	_, err := io.WriteString(out, strings.TrimSuffix(b.String(), "\n"))
	return err
}

// writeBook draws an account: what came in, what became of it, and by what, in the end
// the sum.
func writeBook(b *strings.Builder, paint painter, kind string, x *runtime.LedgerBook, partitions bool, columns int) {
	g := grid{figures: []int{1}}
	var paints []func(string) string
	row := func(paint func(string) string, label string, n int64, rest string) {
		g.rows, paints = append(g.rows, []string{label, thousands(int(n)), rest}), append(paints, paint)
	}
	plain := func(s string) string { return s }
	row(plain, "samples in", x.In, "")
	var sum int64
	for i := range x.Lines {
		line := &x.Lines[i]
		sum += line.Samples
		share := ""
		if x.In > 0 {
			share = fmt.Sprintf("%5.1f %%", 100*float64(line.Samples)/float64(x.In))
		}
		if !line.Final {
			share += "  on their way"
		}
		row(func(s string) string { return paint.disposition(line.Disposition, s) }, "  "+line.Disposition, line.Samples, share)
		for _, p := range line.By {
			row(paint.dim, "    "+cmp.Or(p.Rule, strings.TrimSpace(p.Sink+" "+p.Reason)), int64(p.Samples), "")
		}
	}
	g.rows, paints = append(g.rows, []string{"", strings.Repeat("-", 16), ""}), append(paints, plain)
	if row(plain, "  sum", sum, "balanced"); x.Imbalance != 0 {
		g.rows[len(g.rows)-1][2] = fmt.Sprintf("NOT BALANCED: %d are not accounted for", x.Imbalance)
		paints[len(paints)-1] = paint.red
	}
	if x.Made > 0 {
		row(plain, "made besides, by aggregates and budgets", int64(x.Made), "")
	}
	b.WriteString(paint.bold(fmt.Sprintf("%s %s", kind, x.Name)) + fmt.Sprintf("   %s\n", counted(int(x.Records), "record")))
	for i, text := range g.draw(columns) {
		b.WriteString(paints[i](text) + "\n")
	}
	if x.GapRecords > 0 {
		b.WriteString(paint.red(fmt.Sprintf("%s lost before they could be read\n", counted(int(x.GapRecords), "record"))))
	}
	if partitions && len(x.Partitions) > 0 {
		writePlaces(b, paint, x.Partitions, columns)
	}
	b.WriteByte('\n')
}

func writePlaces(b *strings.Builder, paint painter, list []runtime.LedgerPlace, columns int) {
	g := grid{named: true, rows: [][]string{{"PARTITION", "IN", "OUT", "ENDED", "ON THEIR WAY", "IMBALANCE"}}, figures: []int{1, 2, 3, 4, 5}}
	for i := range list {
		p := &list[i]
		way := p.Dispositions["in-flight"] + p.Dispositions["held"]
		out := p.Dispositions["out"]
		g.rows = append(g.rows, []string{fmt.Sprintf("%s[%d]", p.Topic, p.Partition), thousands(int(p.In)), thousands(int(out)),
			thousands(int(p.In - out - way - p.Imbalance)), thousands(int(way)), strconv.FormatInt(p.Imbalance, 10)})
	}
	head, rest, _ := strings.Cut(g.under("", 2, columns), "\n")
	b.WriteString(paint.dim(head) + "\n" + rest)
}
