package runtime

import (
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/analysis"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/transform"
)

// beside looks for what else is wrong with a set that is refused: in the rules that no
// error is about, and as far as it is wrong whatever becomes of the others. Tests are
// not run: what comes out of them depends on all rules.
func beside(set *policy.Bundle, found []diag.Diagnostic, running *transform.Plugins, known *catalogue.Catalogue, today time.Time) (out []diag.Diagnostic) {
	running.Offer(set.Modules)
	for range 2 { // a plugin that does not start is found by starting it
		rest, sections, ok := set.Set.Without(slices.Concat(found, out))
		if !ok {
			return out
		}
		compiled, wrong := program.Compile(&rest, program.Options{Today: today, Provenance: set.Provenance, Plugins: running})
		if compiled != nil {
			return append(out, analysis.Findings(&rest, analysis.Options{
				Today: today, Program: compiled, Catalogue: known, Known: collected(), Provenance: set.Provenance, Without: sections,
			})...)
		}
		for _, d := range wrong {
			if d.Code == diag.PluginFailed {
				out = append(out, d)
			}
		}
	}
	return out
}
