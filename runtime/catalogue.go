package runtime

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// CatalogueEntry is what is known of a metric that Flink registers by itself.
type CatalogueEntry struct {
	Series     string `json:"series"`                // the name that policies and stores have; <…> stands for what differs from one Flink to the next
	Scope      string `json:"scope"`                 // logical scope of Flink, such as taskmanager.job.task
	Name       string `json:"name"`                  // as Flink has it
	Kind       string `json:"kind"`                  // counter, gauge, meter or histogram
	Meaning    string `json:"meaning"`               // count, level, rate, ratio, flag, moment, text or summary
	Unit       string `json:"unit,omitempty"`        // of the values, in words
	Origin     string `json:"origin"`                // who registers it: native, sql, custom, system or event
	Needs      string `json:"needs,omitempty"`       // option, connector or feature it depends on
	After      string `json:"after,omitempty"`       // newest version of Flink without it
	ReplacedBy string `json:"replaced_by,omitempty"` // what to use in its place
}

// CatalogueFilter picks entries; what is left empty picks all.
type CatalogueFilter struct {
	Series string // pattern of the name: a glob, or after re: an RE2 expression
	Scope  string // pattern of the scope
	Kind   string // counter, gauge, meter, histogram
	Origin string // native, sql, …
	Search string // text in the name, the series or the unit, in any case
}

// Catalogue lists what is known of Flink's metrics, by scope and name. Errors wrap
// ErrRejected.
func (r *Runtime) Catalogue(f CatalogueFilter) ([]CatalogueEntry, error) {
	series, err := pattern("series", f.Series)
	if err != nil {
		return nil, err
	}
	scope, err := pattern("scope", f.Scope)
	if err != nil {
		return nil, err
	}
	if _, ok := metric.ParseKind(f.Kind); !ok && f.Kind != "" {
		return nil, fmt.Errorf("%w: kind: %q is none of counter, gauge, meter, histogram", ErrRejected, f.Kind)
	}
	if _, ok := metric.ParseOrigin(f.Origin); !ok && f.Origin != "" {
		return nil, fmt.Errorf("%w: origin: %q is none of native, sql, custom, system, event", ErrRejected, f.Origin)
	}
	search := strings.ToLower(f.Search)
	out := []CatalogueEntry{}
	for _, e := range r.opened().known.Entries() {
		x := CatalogueEntry{
			Series: placeholders(e.Scope, e.Name), Scope: e.Scope, Name: e.Name, Kind: e.Kind.String(), Meaning: e.Meaning.String(),
			Unit: e.Unit, Origin: e.Origin.String(), Needs: e.Needs, After: e.After, ReplacedBy: e.ReplacedBy,
		}
		text := strings.ToLower(x.Series + " " + x.Name + " " + x.Unit)
		if series(x.Series) && scope(x.Scope) && (f.Kind == "" || f.Kind == x.Kind) && (f.Origin == "" || f.Origin == x.Origin) && strings.Contains(text, search) {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b CatalogueEntry) int { return cmp.Compare(a.Key(), b.Key()) })
	return out, nil
}

// Key tells an entry from every other, in the order of the list.
func (e CatalogueEntry) Key() string { return e.Scope + "\x00" + e.Name }

// Placeholders of a name, <…>, pass through the making of a series name as characters
// that it keeps.
const placeFrom, placeTo = "lt_0_", "_0_gt"

var (
	keep    = strings.NewReplacer("<", placeFrom, ">", placeTo)
	restore = strings.NewReplacer(placeFrom, "<", placeTo, ">")
)

// placeholders is the series name of a metric, with <…> where Flink puts a name.
func placeholders(scope, name string) string {
	return restore.Replace(metric.SeriesName(scope, keep.Replace(name)))
}

func pattern(field, text string) (func(string) bool, error) {
	if text == "" {
		return func(string) bool { return true }, nil
	}
	match, err := program.Texts([]string{text})
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRejected, field, err)
	}
	return match, nil
}
