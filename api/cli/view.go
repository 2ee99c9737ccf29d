package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// view draws the state of a running instance for people. It keeps the state
// before, to show rates.
type view struct {
	url     string
	started time.Time

	before runtime.Hop
	at     time.Time
	rate   float64 // records per second
	drawn  int     // lines on the screen
}

// line is the state in one line, for a log.
func (v *view) line(s runtime.Status, now time.Time) string {
	in, out := v.take(s, now)
	return fmt.Sprintf("%4.0fs  %s records/s  samples %s in %s out  series %s -> %s  saved %s  lag p99 %s  imbalance %d\n",
		now.Sub(v.started).Seconds(), countText(v.rate), countText(float64(in.SamplesIn)), countText(float64(in.Dispositions["out"])),
		countText(float64(in.SeriesIn)), countText(float64(in.SeriesOut)), savedText(in), secondsText(out.EventLag.P99), in.Imbalance+out.Imbalance)
}

// screen is the state as a block of lines that takes the place of the one before.
func (v *view) screen(s runtime.Status, now time.Time, columns int) string {
	in, out := v.take(s, now)
	lines := []string{
		"",
		fmt.Sprintf("  running %-10s %s", now.Sub(v.started).Round(time.Second), stateText(s)),
		"",
		fmt.Sprintf("  records      %10s /s   %10s in all", countText(v.rate), countText(float64(in.Records))),
		fmt.Sprintf("  samples      %10s in   %10s out   %s", countText(float64(in.SamplesIn)), countText(float64(in.Dispositions["out"])), kept(in)),
		fmt.Sprintf("  series       %10s in   %10s out", countText(float64(in.SeriesIn)), countText(float64(in.SeriesOut))),
		fmt.Sprintf("  bytes        %10s in   %10s out   %s saved", bytesText(in.BytesIn), bytesText(in.BytesOut), savedText(in)),
		fmt.Sprintf("  lag          %10s p50  %10s p99   report to store", secondsText(out.EventLag.P50), secondsText(out.EventLag.P99)),
		fmt.Sprintf("  ledger       %10d unaccounted for", in.Imbalance+out.Imbalance),
		"",
	}
	lines = append(lines, ruleLines(in)...)
	lines = append(lines, "",
		"  "+v.url+"/prometheus        PromQL, as a Grafana data source",
		"  "+v.url+"/metrics/tasks     what the jobs report, for a scraper",
		"  "+v.url+"/api/v1/status     all of this as JSON", "",
		"  Ctrl-C ends the demo.")
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	for _, l := range lines {
		b.WriteString(cut(l, columns-1) + "\x1b[K\n")
	}
	if len(lines) < v.drawn {
		b.WriteString("\x1b[J")
	}
	v.drawn = len(lines)
	return b.String()
}

// take sums the state and works out the rate since the one before.
func (v *view) take(s runtime.Status, now time.Time) (in, out runtime.Hop) {
	in, out = runtime.Total(s.Streams), runtime.Total(s.Sinks)
	if elapsed := now.Sub(v.at).Seconds(); elapsed > 0 {
		v.rate = float64(in.Records-v.before.Records) / elapsed
	}
	v.before, v.at = in, now
	return in, out
}

const topRules = 5

// ruleLines are the rules that end the most samples.
func ruleLines(in runtime.Hop) []string {
	lines := []string{"  rules that end the most samples"}
	for i, r := range in.Rules {
		if i == topRules {
			break
		}
		lines = append(lines, fmt.Sprintf("  %10s   %s (%s)", countText(float64(r.Samples)), r.Rule, r.Disposition))
	}
	if len(in.Rules) == 0 {
		lines = append(lines, "           -")
	}
	return lines
}

func stateText(s runtime.Status) string {
	if !s.Ready {
		return "starting: " + s.Waiting
	}
	return "policies " + s.Policies + " at " + s.Revision[:min(12, len(s.Revision))]
}

func kept(h runtime.Hop) string {
	if h.SamplesIn == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %% kept", 100*float64(h.Dispositions["out"])/float64(h.SamplesIn))
}

func savedText(h runtime.Hop) string {
	if h.BytesIn == 0 || h.BytesOut > h.BytesIn {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*(1-float64(h.BytesOut)/float64(h.BytesIn)))
}

// countText writes n with three figures and a unit.
func countText(n float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if n >= u.size {
			scale := u.size
			if u.name == "k" {
				scale = 1e3
			}
			return fmt.Sprintf("%.3g%s", n/scale, u.name)
		}
	}
	return fmt.Sprintf("%.0f", n)
}

func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func secondsText(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f s", s)
}

// cut keeps the first n columns of a line of ASCII.
func cut(s string, n int) string {
	if n > 0 && len(s) > n {
		return s[:n]
	}
	return s
}
