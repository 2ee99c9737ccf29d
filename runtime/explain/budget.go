package explain

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// budgets completes the stages of the budgets that count a series.
func (x *Explainer) budgets(stages []BudgetStage, task string, v *program.Verdict) {
	for i := range v.Charges {
		c := &v.Charges[i]
		at := slices.IndexFunc(stages, func(s BudgetStage) bool { return s.ID == string(c.ID) && s.Mismatch == "" })
		if at < 0 {
			continue
		}
		s := &stages[at]
		s.Key = c.Key
		if !c.Drop {
			m := c.Overflow(task, v)
			s.Beyond = metric.SeriesText(m.Name, m.Labels)
		}
		if x.here.Room != nil {
			s.Room = x.here.Room(string(c.ID), c.Key)
		}
	}
}
