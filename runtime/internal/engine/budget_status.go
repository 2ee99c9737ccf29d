package engine

import (
	"cmp"
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// BudgetStatus is how much of a budget an instance has used up.
type BudgetStatus struct {
	Budget  string      `json:"budget"`          // team/name
	Keys    int         `json:"keys"`            // tasks, metrics or teams that have series
	Limit   int         `json:"limit,omitempty"` // of each key, in this instance; 0: none
	Series  int         `json:"series"`          // that were let in
	Refused uint64      `json:"refused"`         // times that a series was refused
	Worst   []KeyStatus `json:"worst,omitempty"` // keys with the least room, ten at most
}

// KeyStatus is how much one key of a budget has used up.
type KeyStatus struct {
	Key    string `json:"key"`             // what the budget counts by: a task, a metric, a team
	Series int    `json:"series"`          // that are counted now
	Limit  int    `json:"limit,omitempty"` // of series; 0: none
}

// worst is how many keys the status of a budget lists.
const worst = 10

// Status tells how the budgets among the rules given stand, in their order.
func (b *Budgets) Status(now int64, rules []program.Rule) []BudgetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	var out []BudgetStatus
	place := map[program.RuleID]int{}
	for _, r := range rules {
		if r.Section == program.SectionBudget && r.Inert == "" {
			place[r.ID] = len(out)
			out = append(out, BudgetStatus{Budget: string(r.ID), Refused: b.refused[r.ID]})
		}
	}
	part := b.part(now)
	for key, a := range b.accounts {
		i, ok := place[key.rule]
		if !ok {
			continue
		}
		out[i].Keys++
		out[i].Limit = a.bound.Limit(part)
		out[i].Series += a.Used
		out[i].Worst = append(out[i].Worst, KeyStatus{key.key, a.Used, a.bound.Limit(part)})
	}
	for i := range out {
		s := &out[i]
		slices.SortFunc(s.Worst, func(a, b KeyStatus) int {
			return cmp.Or(cmp.Compare(b.fill(), a.fill()), cmp.Compare(b.Series, a.Series), cmp.Compare(a.Key, b.Key))
		})
		s.Worst = slices.Clip(s.Worst[:min(len(s.Worst), worst)])
	}
	return out
}

// fill is how full a key is; 0 without a bound of series.
func (k *KeyStatus) fill() float64 {
	if k.Limit == 0 {
		return 0
	}
	return float64(k.Series) / float64(k.Limit)
}
