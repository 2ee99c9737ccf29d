package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// rolloutText draws the candidates of an instance.
func rolloutText(out io.Writer, s *runtime.RolloutStatus, now time.Time) error {
	b := &planText{plan: &runtime.Plan{}, columns: columnsOf(out)}
	b.line("in force %.12s", s.Revision)
	if s.Canary == nil && s.Shadow == nil {
		b.line("no canary and no shadow has run since the instance started")
	}
	if s.Canary != nil {
		b.canary(s.Canary, now)
	}
	if s.Shadow != nil {
		b.shadow(s.Shadow, now)
	}
	_, err := io.WriteString(out, printable(b.String()))
	return err
}

func (b *planText) canary(c *runtime.CanaryStatus, now time.Time) {
	part := canaryPart(c)
	switch {
	case c.Ended != "":
		b.line("\ncanary   %.12s on %s: %s, %s ago", c.Revision, part, c.Ended, now.Sub(c.EndedAt).Round(time.Second))
	default:
		b.line("\ncanary   %.12s on %s, for %s%s: %s", c.Revision, part, now.Sub(c.Since).Round(time.Second), byWhom(c.By), c.Reason)
	}
	if c.Unhealthy != "" && c.Ended == "" {
		b.line("         UNHEALTHY: %s", c.Unhealthy)
	}
	if len(c.Steps) > 0 && c.Ended == "" {
		var steps []string
		for _, s := range c.Steps {
			steps = append(steps, fmt.Sprintf("%.3g %%", 100*s))
		}
		b.line("         then %s; the next step in %s", strings.Join(steps, ", "), max(c.NextStep.Sub(now), 0).Round(time.Second))
	}
	g := grid{rows: [][]string{
		{"", "canary", "rest"},
		{"samples", thousands(int(c.Canary.Samples)), thousands(int(c.Rest.Samples))},
		{"go on", shareText(c.Canary.On, c.Canary.Samples), shareText(c.Rest.On, c.Rest.Samples)},
	}}
	ends := map[string]bool{}
	for _, side := range [...]*runtime.CanarySide{&c.Canary, &c.Rest} {
		for d := range side.Dispositions {
			ends[d] = d != "in-flight" && d != "held"
		}
	}
	for _, d := range slices.Sorted(maps.Keys(ends)) {
		if ends[d] {
			g.rows = append(g.rows, []string{d, thousands(int(c.Canary.Dispositions[d])), thousands(int(c.Rest.Dispositions[d]))})
		}
	}
	g.rows = append(g.rows, []string{"dead letters", thousands(int(c.Canary.DeadLetters)), thousands(int(c.Rest.DeadLetters))},
		[]string{"report to reading", secondsText(c.Canary.LagSeconds), secondsText(c.Rest.LagSeconds)})
	b.WriteString(g.under("", 9, b.columns))
}

// canaryPart says what a canary governs.
func canaryPart(c *runtime.CanaryStatus) string {
	if len(c.Partitions) > 0 {
		return strings.NewReplacer("[", "", "]", "").Replace(fmt.Sprint("partitions ", c.Partitions))
	}
	return fmt.Sprintf("%.3g %% of the tasks", 100*c.Share)
}

func byWhom(name string) string {
	if name == "" {
		return ""
	}
	return " by " + name
}

// shareText is a share of n things, of which there may be none.
func shareText(share float64, n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

func (b *planText) shadow(s *runtime.ShadowStatus, now time.Time) {
	how := fmt.Sprintf("for %s%s: %s", now.Sub(s.Since).Round(time.Second), byWhom(s.By), s.Reason)
	if s.Ended != "" {
		how = fmt.Sprintf("%s, %s ago", s.Ended, now.Sub(s.EndedAt).Round(time.Second))
	}
	b.line("\nshadow   %.12s beside %.12s, %s", s.Revision, s.Base, how)
	b.line("         %s of %s compared, %s done", thousands(s.Compared), thousands(s.Total)+" live series", passesText(s.Passes))
	if s.Impact == nil {
		return
	}
	b.plan = &runtime.Plan{Impact: s.Impact, Transforms: s.Transforms}
	b.verdicts()
	b.labels()
	b.routes()
	b.transforms()
	if len(s.OtherRule) > 0 {
		b.line("\nrules    fare the same by another rule")
		b.listed(len(s.OtherRule), textGroups, " groups", func(i int) {
			m := &s.OtherRule[i]
			b.line("  ~ %s  %s series", m.From, thousands(m.Series))
			b.line("      %s", causeText(m.Was, m.By))
			b.examples(m.Examples)
		})
	}
	if s.Impact.Unchanged == s.Impact.Reported.Series {
		b.line("\nno series would fare otherwise")
	}
	b.volumes()
}

func passesText(n int) string {
	if n == 1 {
		return "1 pass"
	}
	return thousands(n) + " passes"
}
