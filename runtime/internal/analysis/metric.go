package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/automaton"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/spell"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// flinkPrefix begins the name of every series that has a scope.
const flinkPrefix = "flink_"

// How far a pattern may be from a name and still be meant as it: further where
// only Flink registers metrics, since a job's own metrics may be named much alike.
const (
	farInOpen   = 1
	farInClosed = 2
)

// known is what can be said about names of series.
type known struct {
	names  []string         // sorted; those without placeholders
	shapes []*automaton.Set // those with placeholders
	scopes []string         // beginnings of series names, one for each scope
	open   []string         // beginnings of the scopes in which the code of jobs registers
}

// openScopes are those in which the code of jobs and connectors registers metrics.
var openScopes = []string{"taskmanager.job.task.operator", "jobmanager.job.operator"}

func (a *analyser) known() *known {
	k := &known{}
	beginning := func(scope string) string { return metric.SeriesName(scope, "") }
	for _, e := range a.opts.Catalogue.Entries() {
		k.scopes = append(k.scopes, beginning(e.Scope))
		if before, _, shaped := strings.Cut(e.Name, "<"); shaped {
			pattern := metric.SeriesName(e.Scope, before) + "*"
			if i := strings.LastIndexByte(e.Name, '>'); i+1 < len(e.Name) {
				pattern += strings.TrimPrefix(metric.SeriesName("x", e.Name[i+1:]), "flink_x_")
			}
			k.shapes = append(k.shapes, a.must(pattern))
		} else {
			k.names = append(k.names, metric.SeriesName(e.Scope, e.Name))
		}
	}
	for _, m := range a.opts.Known {
		if m.Series == "" {
			continue
		}
		k.names = append(k.names, m.Series)
		if i := strings.LastIndexByte(m.Series, '_'); i > 0 && strings.HasPrefix(m.Series, flinkPrefix) {
			k.scopes = append(k.scopes, m.Series[:i+1])
		}
	}
	for i := range a.set.Teams {
		for _, t := range a.set.Teams[i].Test {
			for _, in := range t.Given { // an example that somebody has written down is known
				k.names = append(k.names, metric.SeriesName(in.Scope, in.Metric))
			}
		}
	}
	for _, s := range openScopes {
		k.open = append(k.open, beginning(s))
	}
	for _, list := range []*[]string{&k.names, &k.scopes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return k
}

// unknownMetrics finds patterns that look like names of Flink's metrics and match
// none: those whose scope does not exist, and those that a letter or two keep from
// matching. Others may be metrics of a job, of a connector or of a newer Flink,
// and nothing is said about them. A pattern is reported where it is first used.
func (a *analyser) unknownMetrics() {
	k := a.known()
	at := map[string]int{} // pattern to finding, -1 for none
	look := func(r *rule, field string, m *policy.Match) {
		for i, p := range m.Metrics {
			where := fmt.Sprintf("%s.metrics.%d", field, i)
			if n, seen := at[p]; !seen {
				at[p] = -1
				if message, hint := k.judge(a, p); message != "" {
					at[p] = len(a.found)
					a.add(diag.UnknownMetric, diag.Warning, r, where, message, hint)
				}
			} else if n >= 0 && len(a.found[n].Notes) < notesShown {
				a.found[n].Notes = append(a.found[n].Notes, a.note(r, where, r.String()+" has it too"))
			}
		}
	}
	for _, r := range a.all() {
		look(r, "match", &r.ordered.Match)
		if r.ordered.Unless != nil {
			look(r, "unless", r.ordered.Unless)
		}
	}
}

// judge says what is wrong with a pattern of metrics, "" when nothing is.
func (k *known) judge(a *analyser, pattern string) (message, hint string) {
	set, err := a.patterns([]string{pattern})
	if err != nil || a.search.Left < 0 || !strings.HasPrefix(set.Prefix(), flinkPrefix) || a.isKnown(k, set) {
		return "", ""
	}
	prefix := set.Prefix()
	if !slices.ContainsFunc(k.scopes, func(s string) bool { return strings.HasPrefix(prefix, s) || strings.HasPrefix(s, prefix) }) {
		return pattern + " matches no metric that is known: Flink has no scope of that name", k.scopeHint(pattern, prefix)
	}
	most := farInClosed
	if slices.ContainsFunc(k.open, func(s string) bool { return strings.HasPrefix(prefix, s) }) {
		most = farInOpen
	}
	word := k.nearName(pattern, most)
	if word == "" {
		return "", ""
	}
	hint = "did you mean " + word + "?"
	if strings.ContainsAny(pattern, "*?") {
		hint = "is it to match " + word + "?"
	}
	return pattern + " matches no metric that is known, but nearly " + word, hint
}

// scopeHint says what the scope of a pattern may be meant as.
func (k *known) scopeHint(pattern, prefix string) string {
	if pattern == prefix {
		if word := k.nearName(pattern, farInClosed); word != "" {
			return "did you mean " + word + "?"
		}
	}
	if s := spell.NearBeginning(prefix, k.scopes, farInClosed); s != "" {
		return "did you mean " + s + "*?"
	}
	return "names of Flink's metrics begin with " + listed(k.roots())
}

// nearName returns the known name that a pattern nearly matches, "" for none. It
// is of the scope that the pattern names, if it names one.
func (k *known) nearName(pattern string, most int) string {
	if strings.HasPrefix(pattern, "re:") {
		return ""
	}
	scope := ""
	for _, s := range k.scopes {
		if len(s) > len(scope) && strings.HasPrefix(pattern, s) {
			scope = s
		}
	}
	from, _ := slices.BinarySearch(k.names, scope)
	to := from
	for to < len(k.names) && strings.HasPrefix(k.names[to], scope) {
		to++
	}
	return spell.Near(pattern, k.names[from:to], most)
}

// isKnown reports whether a set has a name that is known.
func (a *analyser) isKnown(k *known, set *automaton.Set) bool {
	i, _ := slices.BinarySearch(k.names, set.Prefix())
	for ; i < len(k.names) && strings.HasPrefix(k.names[i], set.Prefix()); i++ {
		if set.Match(k.names[i]) {
			return true
		}
	}
	return slices.ContainsFunc(k.shapes, func(s *automaton.Set) bool { return a.overlap(s, set) })
}

// roots are the scopes that are not within another one.
func (k *known) roots() (out []string) {
	for _, s := range k.scopes {
		if len(out) == 0 || !strings.HasPrefix(s, out[len(out)-1]) {
			out = append(out, s)
		}
	}
	return out[:min(len(out), 6)]
}
