package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/runtime"
)

func newStatus(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "See what a running instance does, and what is wrong",
		Long: `Show what an instance does: whether it is ready, which policy set is in force,
what became of the samples of each stream and sink, and what is wrong, if
anything is.

LAG is the time from the report of a sample to its acknowledgement, which 99 of
100 samples of the last minutes kept; BEHIND is how many records are still to be
read. The ledger accounts for every sample.`,
		Example: `  sluice status
  sluice status --url https://sluice-1:7070 --token env://SLUICE_TOKEN
  sluice status --json | jq .streams`,
		Args: noArgs,
	}
	q := questionFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := q.open()
		if err != nil {
			return err
		}
		defer at.Close()
		status, err := at.Status(c.Context())
		if err != nil {
			return err
		}
		if q.format == "json" {
			return printJSON(t.out, status)
		}
		x := statusText{url: at.URL(), now: time.Now(), color: isTerminal(t.out) && os.Getenv("NO_COLOR") == "", columns: columnsOf(t.out)}
		_, err = io.WriteString(t.out, x.draw(&status))
		return err
	}
	return c
}

// statusText draws a status for people.
type statusText struct {
	url     string
	now     time.Time
	color   bool
	columns int // of a line; 0: as many as it takes
	b       strings.Builder
}

func (x *statusText) draw(s *runtime.Status) string {
	state := x.paint("32", "ready")
	if !s.Ready {
		state = x.paint("33", printable(s.Waiting))
	}
	fmt.Fprintf(&x.b, "%s  %s, up %s, sluice %s\n\n", x.url, state, lengthText(x.now.Sub(s.Started)), printable(s.Version))
	brokers := strings.Join(s.Brokers, ", ")
	if s.Embedded {
		brokers = strings.TrimSpace(brokers + " inside the process")
	}
	fmt.Fprintf(&x.b, "policies  %s\nrevision  %.12s%s\nbrokers   %s\n", printable(s.Policies), printable(s.Revision), x.revision(&s.Policy), hanging(printable(brokers), 10, x.columns))
	if d := s.Degrade; d != nil {
		fmt.Fprintf(&x.b, "degrade   step %s\n", x.step(d))
	}
	x.besides(s)
	x.hops("STREAM", s.Streams)
	x.hops("SINK", s.Sinks)
	x.samples(runtime.Total(s.Streams))
	x.ledger(runtime.Total(s.Streams).Imbalance, runtime.Total(s.Sinks).Imbalance)
	x.wrong(s)
	return x.b.String()
}

// paint colours a text by a number of ANSI, on a terminal.
func (x *statusText) paint(number, text string) string { return painter(x.color).with(number, text) }

// revision says what there is to say of the set in force: nothing, most of the time.
func (x *statusText) revision(p *runtime.PolicyStatus) string {
	text := ""
	if c := p.Origin.Commit; c != "" {
		text += fmt.Sprintf(", commit %.12s", printable(c))
	}
	switch {
	case p.Fallback:
		text += ", " + x.paint("33", "the last good one: the source has none that can run")
	case p.State != "good" && p.State != "":
		text += ", " + x.paint("33", p.State)
	}
	return text
}

func (x *statusText) step(d *runtime.DegradeStatus) string {
	text := d.Step
	switch {
	case d.Hand != nil:
		text += fmt.Sprintf(", by hand for another %s: %s", lengthText(d.Hand.Until.Sub(x.now)), printable(d.Hand.Reason))
	case d.Cause != nil:
		text += ": " + d.Cause.Text()
	}
	if d.Step == "P0" {
		return text
	}
	return x.paint("33", text)
}

// besides says what holds besides the policies, and not for ever.
func (x *statusText) besides(s *runtime.Status) {
	if s.Rollout != nil {
		if c := s.Rollout.Canary; c != nil && c.Ended == "" {
			fmt.Fprintf(&x.b, "canary    %s\n", x.paint("33", fmt.Sprintf("%.12s on %s; see 'sluice rollout status'", c.Revision, canaryPart(c))))
		}
		if c := s.Rollout.Shadow; c != nil && c.Ended == "" {
			fmt.Fprintf(&x.b, "shadow    %.12s; see 'sluice rollout status'\n", c.Revision)
		}
	}
	if n := len(s.Overrides); n > 0 {
		fmt.Fprintf(&x.b, "override  %s\n", x.paint("33", counted(n, "override")+" in force; 'sluice override' lists them"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Streams)) {
		if h := s.Streams[name]; h.State != "" {
			text := name + " is " + h.State
			if h.Halt != nil {
				text += ": " + printable(haltText(h.Halt, x.now))
			}
			fmt.Fprintf(&x.b, "not read  %s\n", x.paint("33", text))
		}
	}
}

// hops draws a table of streams or sinks.
func (x *statusText) hops(title string, hops map[string]runtime.Hop) {
	if len(hops) == 0 {
		return
	}
	g := grid{named: true, rows: [][]string{{title, "RECORDS", "SAMPLES", "OUT", "SERIES", "LAG", "BEHIND"}}, figures: []int{1, 2, 3, 4, 5, 6}}
	for _, name := range slices.Sorted(maps.Keys(hops)) {
		h := hops[name]
		behind := int64(0)
		for _, p := range h.Partitions {
			behind += p.Lag
		}
		g.rows = append(g.rows, []string{name, countText(float64(h.Records)), countText(float64(h.SamplesIn)), countText(float64(h.Dispositions["out"])),
			countText(float64(h.SeriesIn)), secondsText(h.EventLag.P99), countText(float64(behind))})
	}
	x.b.WriteString("\n" + g.text(x.columns))
}

// samples says what became of the samples of all streams, the most first.
func (x *statusText) samples(in runtime.Hop) {
	x.b.WriteString("\n")
	if in.SamplesIn == 0 {
		return
	}
	names := slices.SortedFunc(maps.Keys(in.Dispositions), func(a, b string) int {
		return cmp.Or(cmp.Compare(in.Dispositions[b], in.Dispositions[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %s (%.1f %%)", countText(float64(in.Dispositions[name])), name, 100*float64(in.Dispositions[name])/float64(in.SamplesIn)))
	}
	fmt.Fprintf(&x.b, "samples   %s\n", hanging(printable(strings.Join(parts, ", ")), 10, x.columns))
}

// ledger says whether every sample is accounted for.
func (x *statusText) ledger(imbalances ...int64) {
	for _, n := range imbalances {
		if n != 0 {
			return // it is among what is wrong
		}
	}
	x.b.WriteString("ledger    every sample is accounted for\n")
}

// wrong says what is.
func (x *statusText) wrong(s *runtime.Status) {
	var list []string
	if r := s.Policy.Refused; r != nil {
		what := "the source has a set"
		if c := r.Origin.Commit; c != "" {
			what += fmt.Sprintf(", commit %.12s,", c)
		}
		list = append(list, "policies: "+what+" that does not run: "+r.Error)
	}
	for _, hops := range []map[string]runtime.Hop{s.Streams, s.Sinks} {
		for _, name := range slices.Sorted(maps.Keys(hops)) {
			h := hops[name]
			if h.Error != "" {
				list = append(list, name+": "+h.Error)
			}
			for _, p := range h.Partitions {
				if p.Error != "" {
					list = append(list, fmt.Sprintf("%s: %s/%d: %s", name, p.Topic, p.ID, p.Error))
				}
			}
			if h.Imbalance != 0 {
				list = append(list, fmt.Sprintf("%s: the ledger does not account for %d samples", name, h.Imbalance))
			}
			for _, reason := range slices.Sorted(maps.Keys(h.DeadLetters)) {
				list = append(list, fmt.Sprintf("%s: %s that cannot be read: %s", name, counted(int(h.DeadLetters[reason]), "record"), reason))
			}
			if h.Gaps > 0 {
				list = append(list, fmt.Sprintf("%s: gone before they could be read: %s", name, counted(int(h.Gaps), "record")))
			}
		}
	}
	if len(list) == 0 {
		return
	}
	x.b.WriteString("\n" + x.paint("31", "wrong") + "\n")
	for _, text := range list {
		x.b.WriteString("  " + hanging(printable(strings.ReplaceAll(text, "\n", " ")), 2, x.columns) + "\n")
	}
}

// lengthText writes a duration in its two largest units.
func lengthText(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	days := d / (24 * time.Hour)
	switch d -= days * 24 * time.Hour; {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, d/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}
