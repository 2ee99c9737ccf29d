package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

func newTap(t terminal) *cobra.Command {
	x := tapping{t: t}
	lists := map[string]*[]string{}
	c := &cobra.Command{
		Use:   "tap",
		Short: "Watch samples of a running instance as it decides about them",
		Long: `Show live samples: when they were reported, what became of them, which rule
decided, their value, and the series as it came and as it goes out.

Select them as rules do, by patterns of whole values: a glob with * and ?, or
after re: an RE2 expression. A flag that comes twice means either; different
flags must all hold. Ctrl-C ends it, or --for.

At most --rate samples a second are shown. What is left out is counted and
said. The instance never waits for who watches, and selects before it sends.
What looks like a secret is not shown.`,
		Example: `  sluice tap --task 'orders-*' --metric '*numRecordsIn*'
  sluice tap --disposition dropped --disposition shed --for 1m
  sluice tap --rule 'platform/*' --format json | jq .sample.before`,
		Args: noArgs,
	}
	f := c.Flags()
	for _, l := range []struct{ name, about string }{
		{"task", "pattern of torrent_task_id or job_name"},
		{"metric", "pattern of the series name as reported"},
		{"label", "name=pattern of a label as reported"},
		{"tag", "name=pattern of a tag of the task"},
		{"rule", "pattern of the rule that decided, as team/name"},
		{"disposition", "what became of the sample: " + strings.Join(runtime.TapDispositions(), ", ")},
	} {
		lists[l.name] = f.StringArray(l.name, nil, l.about)
	}
	f.IntVar(&x.rate, "rate", runtime.TapPerSecond, "samples shown per second, at most "+strconv.Itoa(runtime.MaxTapPerSecond))
	f.StringVar(&x.length, "for", "10m", "how long, at most 1h")
	q := questionFlags(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		x.json = q.format == "json"
		query := url.Values{"rate": {strconv.Itoa(x.rate)}, "for": {x.length}}
		for name, values := range lists {
			query[name] = *values
		}
		return x.run(c.Context(), at, query)
	}
	return c
}

// tapping draws the lines of a tap.
type tapping struct {
	t      terminal
	rate   int
	length string
	json   bool

	paint   painter
	columns int // 0: as many as it takes
}

func (x *tapping) run(ctx context.Context, at *client.Client, query url.Values) error {
	x.paint = painterFor(x.t.out)
	if isTerminal(x.t.out) {
		x.columns = width(x.t.out)
	}
	return at.Tap(ctx, query, x.line)
}

func (x *tapping) line(text []byte) error {
	if x.json {
		_, err := x.t.out.Write(text)
		return err
	}
	var l runtime.TapLine
	if err := json.Unmarshal(text, &l); err != nil {
		return environment(fmt.Errorf("the instance sends something else than samples: %w", err))
	}
	var b strings.Builder
	if s := l.Sample; s != nil {
		x.sample(&b, s)
	} else if c := l.Counts; c != nil {
		x.counts(&b, c)
	}
	_, err := io.WriteString(x.t.out, b.String())
	return err
}

// Where the series begin: beside the rest, and on lines of their own.
const (
	indentTap    = 65
	indentNarrow = 14
)

// sample draws what was decided and the series, and below where it goes as what.
func (x *tapping) sample(b *strings.Builder, s *runtime.TapSample) {
	value := strings.Trim(string(s.Value), `"`)
	switch {
	case s.End:
		value = "ends"
	case s.Text != "":
		value = strconv.Quote(s.Text)
	}
	head := fmt.Sprintf("%s  %-11s  %-20s  %14s  ", s.Time.Local().Format("15:04:05.000"), s.Disposition,
		fitted(printable(cmp.Or(s.Rule, s.Reason, "-")), 20), fitted(printable(value), 14))
	tail := printable(cmp.Or(s.Before, "(no series: the record cannot be read)"))
	b.WriteString(x.paint.disposition(s.Disposition, head))
	if x.narrow() {
		b.WriteString("\n" + strings.Repeat(" ", indentNarrow))
	}
	b.WriteString(x.cut(tail) + "\n")
	place := fmt.Sprintf("%s %s[%d]", s.Stream, s.Topic, s.Partition)
	if s.Offset >= 0 {
		place += "@" + strconv.FormatInt(s.Offset, 10)
	}
	below := strings.Repeat(" ", indentNarrow) + fmt.Sprintf("%-*s", indentTap-17, fitted(printable(place), indentTap-18))
	switch {
	case s.After == "" || s.After == s.Before:
		b.WriteString(x.paint.dim(strings.TrimRight(below, " ")) + "\n")
	case x.narrow():
		b.WriteString(strings.Repeat(" ", indentNarrow-3) + "-> " + x.cut(printable(s.After)) + "\n" + x.paint.dim(strings.TrimRight(below, " ")) + "\n")
	default:
		b.WriteString(x.paint.dim(below) + "-> " + x.cut(printable(s.After)) + "\n")
	}
}

// cut leaves of a series what fits on the line.
func (x *tapping) cut(series string) string {
	if x.columns == 0 {
		return series
	}
	if x.narrow() {
		return fitted(series, max(x.columns-indentNarrow, 20))
	}
	return fitted(series, x.columns-indentTap-1)
}

// narrow reports whether the terminal has no room for a series beside the rest.
func (x *tapping) narrow() bool { return x.columns > 0 && x.columns < indentTap+40 }

func (x *tapping) counts(b *strings.Builder, c *runtime.TapCounts) {
	text := fmt.Sprintf("-- %s matched, %s shown", counted(int(c.Matched), "sample"), countText(float64(c.Shown)))
	if c.LeftOut > 0 {
		text += fmt.Sprintf(", %s left out: at most %d a second are shown (--rate)", countText(float64(c.LeftOut)), x.rate)
	}
	if c.Ended != "" {
		text += "; " + c.Ended
	}
	b.WriteString(x.paint.dim(text) + "\n")
}

// painter colours text for a terminal, of which nothing else acts on it; off, it has no
// colours.
type painter bool

func painterFor(w io.Writer) painter { return painter(isTerminal(w) && os.Getenv("NO_COLOR") == "") }

func (p painter) with(code, s string) string {
	if s = printable(s); !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) dim(s string) string    { return p.with("2", s) }
func (p painter) bold(s string) string   { return p.with("1", s) }
func (p painter) green(s string) string  { return p.with("32", s) }
func (p painter) yellow(s string) string { return p.with("33", s) }
func (p painter) red(s string) string    { return p.with("31", s) }

// disposition colours what goes on, what is ended on purpose, and what is wrong.
func (p painter) disposition(word, s string) string {
	switch word {
	case "out", "aggregated", "held":
		return p.green(s)
	case "dead-letter", "refused", "late", "over-budget", "shed":
		return p.red(s)
	}
	return p.yellow(s)
}

// sinceText says how long ago a moment was, in one figure.
func sinceText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
