package runtime

import (
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// BudgetStatus is how much of a budget this instance has used up.
type BudgetStatus = engine.BudgetStatus

// budgetStatus lists the budgets in force.
func (r *Runtime) budgetStatus() []BudgetStatus {
	return r.budgets.Status(time.Now().UnixMilli(), r.rev.Load().program.Rules())
}

// roomIn says how much of a budget is used up for one of its keys.
func (r *Runtime) roomIn() func(budget, key string) *explain.RoomView {
	used := r.budgetStatus()
	return func(budget, key string) *explain.RoomView {
		i := slices.IndexFunc(used, func(b BudgetStatus) bool { return b.Budget == budget })
		if i < 0 {
			return nil
		}
		b := &used[i]
		room := &explain.RoomView{Series: -1, Limit: b.Limit, Refused: b.Refused}
		for _, k := range b.Worst {
			if k.Key == key {
				room.Series, room.Limit = k.Series, k.Limit
			}
		}
		if b.Keys == 0 {
			room.Series = 0
		}
		return room
	}
}

// instrumentBudgets feeds the metrics of aggregates and budgets.
func (r *Runtime) instrumentBudgets() {
	m := r.metrics
	m.MadeSamples.Collect(func(emit func(uint64, ...string)) {
		for _, h := range r.hops(&r.streams) {
			emit(h.book.Sum().Made, "stream."+h.name)
		}
	})
	each := func(f func(b *BudgetStatus)) {
		for _, b := range r.budgetStatus() {
			f(&b)
		}
	}
	gauge := func(value func(b *BudgetStatus) int) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			each(func(b *BudgetStatus) { emit(float64(value(b)), b.Budget) })
		}
	}
	m.BudgetSeries.Collect(gauge(func(b *BudgetStatus) int { return b.Series }))
	m.BudgetKeys.Collect(gauge(func(b *BudgetStatus) int { return b.Keys }))
	m.BudgetLimit.Collect(gauge(func(b *BudgetStatus) int { return b.Limit }))
	m.BudgetRefused.Collect(func(emit func(uint64, ...string)) {
		each(func(b *BudgetStatus) { emit(b.Refused, b.Budget) })
	})
}
