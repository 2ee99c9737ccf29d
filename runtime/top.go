package runtime

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
	"github.com/sluice-metrics/sluice/runtime/internal/heavy"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
)

// Bounds of top.
const (
	TopRows    = 20 // of each list, unless somebody says otherwise
	MaxTopRows = 1000

	// Counts are looked at again after topEvery at the soonest, and so rarely that
	// it takes at most one part in topShare of a core.
	topEvery  = 2 * time.Second
	topShare  = 10
	topWithin = 5 * time.Minute // series that have come since count
	topPlaces = 10_000          // keys of each list that are told apart
)

// Orders of the rows of top.
const (
	BySamples = "samples"
	BySeries  = "series"
	ByBytes   = "bytes"
	ByDropped = "dropped"
)

// TopOrders lists the orders of rows.
func TopOrders() []string { return []string{BySamples, BySeries, ByBytes, ByDropped} }

// Top is what weighs most in the streams of this instance.
type Top struct {
	At      time.Time `json:"at"`      // when the counts were looked at
	Cost    float64   `json:"cost"`    // seconds that it took
	By      string    `json:"by"`      // what decides the order: samples, series, bytes or dropped
	Total   TopRow    `json:"total"`   // of everything; its key is empty
	Tasks   TopList   `json:"tasks"`   // by torrent_task_id
	Metrics TopList   `json:"metrics"` // by series name as reported
	Teams   TopList   `json:"teams"`   // by the team of the task; those of none have an empty key
	Rules   []TopRule `json:"rules"`   // in the order asked for
}

// TopList is the head of a list.
type TopList struct {
	Keys int      `json:"keys"` // in all; with Full, as many as are told apart
	Full bool     `json:"full"` // there are more: rows have an Error
	Rows []TopRow `json:"rows"` // the first of them
}

// TopRow is what came of one task, metric or team: rates over the last 10 to 20
// minutes, series that came within five minutes.
type TopRow struct {
	Key     string  `json:"key"`                // task, metric or team
	Samples float64 `json:"samples_per_second"` // as they come in
	Series  int64   `json:"series"`             // that came of late
	Bytes   float64 `json:"bytes_per_second"`   // of records, as they come in
	Dropped float64 `json:"dropped_per_second"` // samples of series that a rule ends
	Error   float64 `json:"error,omitempty"`    // by which samples_per_second may be too large
}

// TopRule is what one rule does to samples in one way.
type TopRule struct {
	Rule        string  `json:"rule"`               // as team/name, or section:team/name where two sections have that
	Disposition string  `json:"disposition"`        // what it makes of samples, in the words of the ledger
	Samples     float64 `json:"samples_per_second"` // since the look before, or since the start
	Series      int64   `json:"series"`             // about which it decides
	Bytes       float64 `json:"bytes_per_second"`   // of their records
	Total       uint64  `json:"samples"`            // since the start
}

// tops remembers the last look, which all who ask share.
type tops struct {
	mu    sync.Mutex
	last  *look
	rules map[ledger.Rule]uint64 // of the books, at the last look
	at    time.Time
}

// look is what one look at the caches and the books has found.
type look struct {
	at             time.Time
	cost           time.Duration
	total          heavy.Row
	tasks, metrics list
	teams          list
	rules          []TopRule
}

type list struct {
	rows []heavy.Row
	full bool
}

// What a heavy.Counts holds beside the samples per second.
const (
	topSeries = iota
	topBytes
	topDropped
)

// Top tells what weighs most, in one of TopOrders ("" is BySamples) and at most
// limit rows of each list (0: TopRows). It reads what the workers keep anyway; who
// asks more often than every two seconds gets the answer of before. Errors wrap
// ErrRejected or ErrNotReady.
func (r *Runtime) Top(ctx context.Context, by string, limit int) (Top, error) {
	by, limit = cmp.Or(by, BySamples), cmp.Or(limit, TopRows)
	switch {
	case !slices.Contains(TopOrders(), by):
		return Top{}, fmt.Errorf("%w: by: %q is none of samples, series, bytes, dropped", ErrRejected, by)
	case limit < 0 || limit > MaxTopRows:
		return Top{}, fmt.Errorf("%w: limit: %d is not from 1 to %d", ErrRejected, limit, MaxTopRows)
	}
	l, err := r.look(ctx)
	if err != nil {
		return Top{}, err
	}
	t := Top{
		At: l.at, Cost: l.cost.Seconds(), By: by, Total: topRow(&l.total),
		Tasks: l.tasks.head(by, limit), Metrics: l.metrics.head(by, limit), Teams: l.teams.head(by, limit),
		Rules: slices.Clone(l.rules),
	}
	slices.SortStableFunc(t.Rules, func(a, b TopRule) int {
		switch by {
		case BySeries:
			return cmp.Compare(b.Series, a.Series)
		case ByBytes:
			return cmp.Compare(b.Bytes, a.Bytes)
		}
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(b.Total, a.Total))
	})
	t.Rules = t.Rules[:min(limit, len(t.Rules))]
	return t, nil
}

// look returns the last look, or a new one when that is old enough.
func (r *Runtime) look(ctx context.Context) (*look, error) {
	t := &r.tops
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.last; l != nil && time.Since(l.at) < max(topEvery, topShare*l.cost) {
		return l, nil
	}
	streams := r.hops(&r.streams)
	if len(streams) == 0 {
		return nil, fmt.Errorf("%w: no stream is open here", ErrNotReady)
	}
	l, byRule, err := weigh(ctx, streams)
	if err != nil {
		return nil, err
	}
	l.rules = r.topRules(byRule, l.at)
	t.last = l
	return l, nil
}

// weigh sums what the workers of streams have cached.
func weigh(ctx context.Context, streams []*hop) (*look, map[string]heavy.Counts, error) {
	began := time.Now()
	tasks, metrics, teams := heavy.New(topPlaces), heavy.New(topPlaces), heavy.New(topPlaces)
	total, byRule := heavy.New(1), map[string]heavy.Counts{} // there are as many rules as the set has
	for _, h := range streams {
		err := h.engine.Weigh(ctx, topWithin, func(x *engine.Weight) {
			c := heavy.Counts{Weight: x.Samples, Others: [3]float64{topSeries: 1, topBytes: x.Bytes}}
			if !x.Out {
				c.Others[topDropped] = x.Samples
			}
			tasks.Add(x.Task, c)
			metrics.Add(x.Name, c)
			teams.Add(x.Team, c)
			total.Add("", c)
			if x.Rule != "" {
				s := byRule[string(x.Rule)]
				s.Others[topSeries]++
				s.Others[topBytes] += x.Bytes
				byRule[string(x.Rule)] = s
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	l := &look{at: time.Now(), tasks: listed(tasks), metrics: listed(metrics), teams: listed(teams)}
	if all := total.Rows(); len(all) == 1 {
		l.total = all[0]
	}
	l.cost = l.at.Sub(began)
	return l, byRule, nil
}

func listed(s *heavy.Sketch) list { return list{s.Rows(), s.Full()} }

// topRules joins what the books say of rules with what the caches do.
func (r *Runtime) topRules(byRule map[string]heavy.Counts, now time.Time) []TopRule {
	t, sum := &r.tops, r.ruleSamples()
	since := t.at
	if since.IsZero() {
		since = r.started
	}
	out := []TopRule{}
	counted := map[string]bool{}
	for rule, n := range sum {
		row := TopRule{Rule: rule.ID, Disposition: rule.Disposition.String(), Total: n}
		if s := now.Sub(since).Seconds(); s > 0 {
			row.Samples = float64(n-t.rules[rule]) / s
		}
		counted[rule.ID] = true
		out = append(out, row)
	}
	for id := range byRule { // those that let their series go on
		if !counted[id] {
			out = append(out, TopRule{Rule: id, Disposition: ledger.Out.String()})
		}
	}
	slices.SortFunc(out, func(a, b TopRule) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Disposition, b.Disposition))
	})
	for i := range out {
		if row := &out[i]; i == 0 || row.Rule != out[i-1].Rule { // a rule has its series once
			row.Series, row.Bytes = int64(byRule[row.Rule].Others[topSeries]), byRule[row.Rule].Others[topBytes]
		}
	}
	t.rules, t.at = sum, now
	return out
}

// head returns the first rows in an order.
func (l *list) head(by string, limit int) TopList {
	rows := slices.Clone(l.rows)
	of := func(r *heavy.Row) float64 {
		switch by {
		case BySeries:
			return r.Others[topSeries]
		case ByBytes:
			return r.Others[topBytes]
		case ByDropped:
			return r.Others[topDropped]
		}
		return r.Weight
	}
	slices.SortFunc(rows, func(a, b heavy.Row) int {
		return cmp.Or(cmp.Compare(of(&b), of(&a)), cmp.Compare(a.Key, b.Key))
	})
	out := TopList{Keys: len(rows), Full: l.full, Rows: []TopRow{}}
	for i := range rows[:min(limit, len(rows))] {
		out.Rows = append(out.Rows, topRow(&rows[i]))
	}
	return out
}

func topRow(r *heavy.Row) TopRow {
	return TopRow{
		Key: r.Key, Samples: r.Weight, Series: int64(r.Others[topSeries]), Bytes: r.Others[topBytes],
		Dropped: r.Others[topDropped], Error: r.Error,
	}
}
