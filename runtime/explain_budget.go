package runtime

import (
	"slices"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

// BudgetStage is a budget that was looked at.
type BudgetStage struct {
	RuleView
	Mismatch string    `json:"mismatch,omitempty"` // "" for one that counts the series
	Key      string    `json:"key,omitempty"`      // of which task, metric or team it does
	Beyond   string    `json:"beyond,omitempty"`   // the series that takes the samples without room; "": they are dropped
	Room     *RoomView `json:"room,omitempty"`     // on the running instance
}

// RoomView is how much of a budget an instance has used up.
type RoomView struct {
	Series  int    `json:"series"`          // of the key, let in; -1: not known, as others have less room
	Limit   int    `json:"limit,omitempty"` // of the key, in this instance; 0: none
	Refused uint64 `json:"refused"`         // times that the budget refused a series, of any key
}

// budgets completes the stages of the budgets that count a series.
func (x *explainer) budgets(stages []BudgetStage, task string, v *program.Verdict) {
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
			s.Beyond = seriesText(m.Name, m.Labels)
		}
		s.Room = x.room(string(c.ID), c.Key)
	}
}

// room says what is used up, nil when it is not a running instance that answers.
func (x *explainer) room(budget, key string) *RoomView {
	i := slices.IndexFunc(x.used, func(b BudgetStatus) bool { return b.Budget == budget })
	if i < 0 {
		return nil
	}
	b := &x.used[i]
	r := &RoomView{Series: -1, Limit: b.Limit, Refused: b.Refused}
	for _, k := range b.Worst {
		if k.Key == key {
			r.Series, r.Limit = k.Series, k.Limit
		}
	}
	if b.Keys == 0 {
		r.Series = 0
	}
	return r
}
