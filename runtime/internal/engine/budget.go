package engine

import (
	"slices"
	"sync"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

// Budgets count the series that an instance sends, for the rules of the budget
// section. The workers of all streams share them: they ask when they first see a
// series and say when it leaves, never per sample. Safe for concurrent use.
//
// A bound that several partitions share is divided by the part of them that this
// instance owns.
type Budgets struct {
	mu       sync.Mutex
	accounts map[accountKey]*account
	refused  map[program.RuleID]uint64 // series, by the budget without room
	topics   map[string]*owned
	moved    int64 // Unix ms when a partition came or went
	swept    int64 // Unix ms of the last look for accounts that nobody needs
}

// NewBudgets returns budgets that nothing has been charged to.
func NewBudgets() *Budgets {
	return &Budgets{accounts: map[accountKey]*account{}, refused: map[program.RuleID]uint64{}, topics: map[string]*owned{}}
}

type owned struct{ partitions, of int }

// accountKey is one rule and what it counts together.
type accountKey struct {
	rule program.RuleID
	key  string
}

// account is what one key of a budget has used up.
type account struct {
	program.Account
	key    accountKey
	bound  program.Bound
	absent map[uint64]int64
	looked int64
}

// seats are the accounts that count a series. Series with the same ones share them.
type seats struct{ accounts []*account }

const (
	// absentTTL is how long a series keeps its place that had to leave a cache to
	// make room: as long as one that has fallen silent stays there.
	absentTTL = minTTL

	// settling is how long after partitions have moved a bound is not divided: it
	// takes a moment until they are all opened.
	settling = 30_000 // ms
)

// open and close say which partitions this instance owns.
func (b *Budgets) open(p Partition, now int64)  { b.move(p, 1, now) }
func (b *Budgets) close(p Partition, now int64) { b.move(p, -1, now) }

func (b *Budgets) move(p Partition, n int, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[p.Topic]
	if t == nil {
		t = &owned{}
		b.topics[p.Topic] = t
	}
	t.partitions += n
	t.of = int(p.Count)
	if t.partitions == 0 {
		delete(b.topics, p.Topic)
	}
	b.moved = now
}

// part is the part of a bound that is this instance's.
func (b *Budgets) part(now int64) float64 {
	have, all := 0, 0
	for _, t := range b.topics {
		have, all = have+t.partitions, all+t.of
	}
	if now < b.moved+settling || have >= all {
		return 1
	}
	return float64(have) / float64(all)
}

// admit asks for a place in every budget that a series counts in. It gets all of
// them, or none and the first budget without room. What it has already it keeps.
func (b *Budgets) admit(charges []program.Charge, was *seats, identity uint64, now int64) (all []*account, refused *program.Charge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	part := b.part(now)
	for i := range charges {
		c := &charges[i]
		a := b.account(c, now)
		all = append(all, a)
		if !was.has(a) && !a.returns(identity) && !a.Room(&c.Bound, part, now) {
			b.refused[c.ID]++
			return nil, c
		}
	}
	for _, a := range all {
		if was.has(a) {
			continue
		}
		if a.returns(identity) {
			delete(a.absent, identity)
			continue
		}
		a.Take(&a.bound, now)
	}
	return all, nil
}

func (b *Budgets) account(c *program.Charge, now int64) *account {
	key := accountKey{c.ID, c.Key}
	a := b.accounts[key]
	if a == nil {
		a = &account{key: key}
		b.accounts[key] = a
	}
	if a.bound = c.Bound; now > a.looked+absentTTL/4 {
		a.expire(now)
	}
	return a
}

// sweep gives up the state of keys that have no series left.
func (b *Budgets) sweep(now int64) {
	if now < b.swept+sweepPeriod {
		return
	}
	b.swept = now
	for key, a := range b.accounts {
		if a.expire(now); a.Learned(&a.bound, now) {
			delete(b.accounts, key)
		}
	}
}

func (s *seats) has(a *account) bool { return s != nil && slices.Contains(s.accounts, a) }

func (a *account) returns(identity uint64) bool {
	_, ok := a.absent[identity]
	return ok
}

// expire gives up the places of series that have not come back.
func (a *account) expire(now int64) {
	a.looked = now
	for identity, until := range a.absent {
		if until < now {
			delete(a.absent, identity)
			a.Used--
		}
	}
}

// leave gives up the places of a series, or keeps them for one that only had to
// make room in a cache.
func (b *Budgets) leave(s *seats, identity uint64, now int64, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range s.accounts {
		if _, twice := a.absent[identity]; ended || twice {
			a.Used--
			continue
		}
		if a.absent == nil {
			a.absent = map[uint64]int64{}
		}
		a.absent[identity] = now + absentTTL
	}
}

// exchange gives up the places that a series had and does not have any more.
func (b *Budgets) exchange(was, now *seats) {
	if was == nil || was == now {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range was.accounts {
		if !now.has(a) {
			a.Used--
		}
	}
}

// spend charges a series to its budgets and returns its places. One that is
// refused goes into the overflow, or ends.
func (w *Worker) spend(by from, v *program.Verdict, was *seats, next *flow) *seats {
	all, refused := w.budgets.admit(v.Charges, was, w.identity(v), w.now)
	if refused == nil {
		if w.seated == nil || !slices.Equal(w.seated.accounts, all) {
			w.seated = &seats{all}
		}
		for i := range v.Charges {
			if c := &v.Charges[i]; c.Samples > 0 {
				next.gates = append(next.gates, w.gate(c))
			}
		}
		return w.seated
	}
	if !refused.Drop {
		next.over = w.join(by, refused.Overflow(record.Unquote(w.cache.source(by.slot).task()), v), v)
	}
	if next.over.cell == nil {
		v.Disposition, v.Rule, v.Step = ledger.OverBudget, refused.Rule, program.Step{}
		return nil
	}
	next.over.taken, v.Disposition = ledger.Merged, ledger.Merged
	return nil
}

// refuse puts the source of a series where sources make room first, unless it has
// others that go on.
func (w *Worker) refuse(sl *slot, e *series) {
	src := w.cache.source(sl)
	switch {
	case e.disposition != ledger.Merged && e.disposition != ledger.OverBudget:
		w.cache.move(src, &w.cache.recent)
	case src.slots.single() && sl.n == 1:
		w.cache.move(src, &w.cache.refused)
	}
}

// giveUpSeats gives up the places of all series of a worker that closes.
func (w *Worker) giveUpSeats() {
	w.budgets.close(w.partition, w.opts.Now().UnixMilli())
	if w.seated == nil {
		return
	}
	for _, src := range w.cache.bySlot.sources.things {
		if src == nil {
			continue
		}
		src.slots.each(func(_ int32, sl *slot) {
			for e := range w.cache.all(sl) {
				w.endFlow(e, true)
			}
		})
	}
	for _, p := range w.transit.products.all {
		w.endFlow(&p.series, true)
	}
}
