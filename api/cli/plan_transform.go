package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

// transforms tells what plugins do to the traffic, and what a record of it costs.
func (b *planText) transforms() {
	list := b.plan.Transforms
	if len(list) == 0 {
		return
	}
	b.line("\ntransforms")
	b.listed(len(list), textRules, "", func(i int) { b.line("%s", transformText(&list[i])) })
}

// transformText is one transform on both sides.
func transformText(t *runtime.TransformChange) string {
	sign, now := "~", t.After
	switch {
	case t.Before == nil:
		sign = "+"
	case t.After == nil:
		sign, now = "-", t.Before
	case t.Before.Digest == t.After.Digest && t.Otherwise == 0:
		sign = " "
	}
	name := pluginText(now)
	if t.Before != nil && t.After != nil && t.Before.Digest != t.After.Digest {
		name = pluginText(t.Before) + " -> " + name
	}
	text := fmt.Sprintf("  %s %s  %s, scope %s", sign, ruleText(t.RuleAt), name, now.Scope)
	if t.Otherwise > 0 {
		text += fmt.Sprintf("\n      %s series come out otherwise: %s dropped now, %s failing now", thousands(t.Otherwise), thousands(t.NewlyDropped), thousands(t.NewlyFailed))
	}
	if t.Before != nil && t.After != nil {
		text += "\n      was " + useText(t.Before)
	}
	text += "\n      " + useText(now)
	if t.Before != nil && t.After != nil {
		if by := percent(t.Before.FuelPerRecord(), t.After.FuelPerRecord()); by != "" && t.Before.Calls > 0 {
			text += ", " + by
		}
	}
	return text
}

// pluginText is a plugin by name, version and the first digits of its digest.
func pluginText(u *runtime.TransformUse) string {
	return fmt.Sprintf("%s %s (%s)", printable(u.Name), printable(u.Version), u.Digest[:min(len(u.Digest), shortDigest)])
}

// useText is what a plugin did and what it cost.
func useText(u *runtime.TransformUse) string {
	if u.Calls == 0 {
		return "no record of this traffic"
	}
	text := fmt.Sprintf("%s: %s changed, %s dropped", counted(u.Calls, "record"), thousands(u.Changed), thousands(u.Dropped))
	if u.Made > 0 {
		text += fmt.Sprintf(", %s made", thousands(u.Made))
	}
	if len(u.Failed) > 0 {
		var codes []string
		all := 0
		for _, code := range slices.Sorted(maps.Keys(u.Failed)) {
			codes = append(codes, fmt.Sprintf("%s %s", code, thousands(u.Failed[code])))
			all += u.Failed[code]
		}
		text += fmt.Sprintf(", %s failed (%s)", thousands(all), strings.Join(codes, ", "))
	}
	return text + fmt.Sprintf("; fuel %s a record (about %s ns here)", amount(u.FuelPerRecord()), amount(float64(u.Nanoseconds)/float64(u.Calls)))
}

// trialText tells of a plugin that is only tried.
func trialText(s *explain.RewriteStage) []string {
	if s.Shadow == 0 {
		return nil
	}
	text := fmt.Sprintf("    only tried, on %g %% of the batches: samples go on as they are", 100*s.Shadow)
	if s.Tried == nil {
		return []string{text}
	}
	return []string{text, "    " + triedText(s.Tried)}
}

// triedText is what a plugin would have done with samples that it was tried on.
func triedText(t *explain.TriedPlugin) string {
	n := func(n uint64) string { return thousands(int(n)) }
	return fmt.Sprintf("of %s samples it would have changed %s, dropped %s, failed for %s, and made %s", n(t.Samples), n(t.Changed), n(t.Dropped), n(t.Failed), n(t.Made))
}
