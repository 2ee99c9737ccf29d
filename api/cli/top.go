package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

func newTop(t terminal) *cobra.Command {
	var by string
	var once bool
	var rows int
	every := "2s"
	c := &cobra.Command{
		Use:   "top",
		Short: "See which tasks, metrics, teams and rules weigh most",
		Long: `Show what an instance reads by task, metric, team and rule: samples and bytes
per second, series, and what rules end of them. On a terminal it is drawn anew
every two seconds, until Ctrl-C; otherwise, and with --once, once.

Rates are those of the last 10 to 20 minutes; those of rules are of the time
since the look before. Beyond 10,000 tasks or metrics, the lightest share a
place, and a figure may be too large by what the column ± says.`,
		Example: `  sluice top
  sluice top --by series --rows 50 --once
  sluice top --by dropped --format json | jq '.tasks.rows[0]'`,
		Args: noArgs,
	}
	f := c.Flags()
	f.StringVar(&by, "by", runtime.BySamples, "order: "+strings.Join(runtime.TopOrders(), ", "))
	f.IntVar(&rows, "rows", 0, "rows of each list (default: what fits on the terminal, or 10)")
	f.BoolVar(&once, "once", false, "draw once")
	f.StringVar(&every, "every", every, "how often it is drawn, 1s or more")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		if !slices.Contains(runtime.TopOrders(), by) {
			return environment(fmt.Errorf("--by is %q; want one of %s", by, strings.Join(runtime.TopOrders(), ", ")))
		}
		if rows < 0 || rows > runtime.MaxTopRows {
			return environment(fmt.Errorf("--rows is %d; want 1 to %d", rows, runtime.MaxTopRows))
		}
		pause, err := runtime.ParseDuration(every)
		if err != nil || pause < time.Second {
			return environment(fmt.Errorf("--every is %q; want a duration from 1s on", every))
		}
		d := topView{by: by, rows: rows, live: isTerminal(t.out) && !once && q.format == "pretty", json: q.format == "json", paint: painterFor(t.out)}
		return d.run(c.Context(), t.out, at, pause)
	}
	return c
}

// topView draws what weighs most.
type topView struct {
	by      string
	rows    int
	live    bool
	json    bool
	paint   painter
	columns int
}

func (d *topView) run(ctx context.Context, out io.Writer, at *client.Client, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	if d.live { // on a screen of its own, so that what was there comes back; lines that are too long are cut
		if _, err := io.WriteString(out, "\x1b[?1049h\x1b[?25l\x1b[?7l"); err != nil {
			return err
		}
		defer fmt.Fprint(out, "\x1b[?7h\x1b[?25h\x1b[?1049l")
	}
	for {
		rows := d.fit(out)
		top, err := at.Top(ctx, d.by, rows)
		if ctx.Err() != nil && d.live {
			return nil
		}
		if err != nil {
			return err
		}
		if d.json {
			return printJSON(out, top)
		}
		text := d.text(&top)
		if d.live {
			text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
		}
		if _, err := io.WriteString(out, text); err != nil || !d.live {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// fit works out how many rows each list may have.
func (d *topView) fit(out io.Writer) int {
	d.columns = 0
	if isTerminal(out) {
		d.columns = width(out)
	}
	switch {
	case d.rows > 0:
		return d.rows
	case !d.live:
		return 10
	}
	const lists, around = 4, 2 // a heading and an empty line
	return max((height(out)-3)/lists-around, 2)
}

// height is how many lines w has, 24 where it is no terminal.
func height(w any) int {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		if _, n, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return 24
}

// Widths of the columns of figures.
const topFigures = 4*11 + 14 // and what a rule does

func (d *topView) text(top *runtime.Top) string {
	var b strings.Builder
	t := &top.Total
	line := fmt.Sprintf("%s samples/s  %s series  %s/s  %s/s dropped   by %s at %s", countText(t.Samples), countText(float64(t.Series)),
		bytesText(uint64(t.Bytes)), countText(t.Dropped), top.By, top.At.Local().Format("15:04:05"))
	b.WriteString(d.paint.bold(fitted(line, d.columns)) + "\n\n")
	lists := []struct {
		name string
		list *runtime.TopList
	}{{"TASK", &top.Tasks}, {"METRIC", &top.Metrics}, {"TEAM", &top.Teams}}
	longest := 30
	for _, l := range lists {
		for i := range l.list.Rows {
			longest = max(longest, len([]rune(l.list.Rows[i].Key)))
		}
	}
	for i := range top.Rules {
		longest = max(longest, len([]rune(top.Rules[i].Rule)))
	}
	w := d.keyWidth(longest)
	for _, l := range lists {
		d.list(&b, l.name, l.list, w)
	}
	d.rules(&b, top.Rules, w)
	return b.String()
}

// keyWidth is the room for names: what the figures leave of the terminal.
func (d *topView) keyWidth(longest int) int {
	if d.columns == 0 {
		return max(longest, 30)
	}
	return max(min(longest, d.columns-topFigures), 12)
}

func (d *topView) list(b *strings.Builder, name string, l *runtime.TopList, w int) {
	if len(l.Rows) == 0 || len(l.Rows) == 1 && l.Rows[0].Key == "" {
		return // a set without teams has no list of them
	}
	of := fmt.Sprintf("%s (%d of %s)", name, len(l.Rows), countText(float64(l.Keys)))
	if l.Full {
		of = fmt.Sprintf("%s (%d of more than %s)", name, len(l.Rows), countText(float64(l.Keys)))
	}
	head := fmt.Sprintf("%-*s %10s %10s %10s %10s", w, of, "SAMPLES/S", "SERIES", "BYTES/S", "DROPPED/S")
	if l.Full {
		head += "  ±"
	}
	b.WriteString(d.paint.dim(head) + "\n")
	for i := range l.Rows {
		r := &l.Rows[i]
		fmt.Fprintf(b, "%-*s %10s %10s %10s %10s", w, fittedName(printable(cmp.Or(r.Key, "(none)")), w), rateText(r.Samples), countText(float64(r.Series)),
			bytesText(uint64(r.Bytes)), rateText(r.Dropped))
		if r.Error > 0 {
			fmt.Fprintf(b, "  %s", rateText(r.Error))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

func (d *topView) rules(b *strings.Builder, rules []runtime.TopRule, w int) {
	if len(rules) == 0 {
		return
	}
	b.WriteString(d.paint.dim(fmt.Sprintf("%-*s %10s %10s %10s %10s  %s", w, "RULE", "SAMPLES/S", "SERIES", "BYTES/S", "IN ALL", "DOES")) + "\n")
	for i := range rules {
		r := &rules[i]
		fmt.Fprintf(b, "%-*s %10s %10s %10s %10s  %s\n", w, fitted(printable(r.Rule), w), rateText(r.Samples), countText(float64(r.Series)),
			bytesText(uint64(r.Bytes)), countText(float64(r.Total)), r.Disposition)
	}
}

// rateText writes a rate; small ones with a decimal.
func rateText(v float64) string {
	if v > 0 && v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return countText(v)
}
