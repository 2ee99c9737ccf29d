package runtime

import (
	"strconv"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/remotewrite"
)

// instrument feeds Sluice's own metrics from the books, which the workers keep
// anyway: nothing is counted twice.
func (r *Runtime) instrument() {
	m := r.metrics
	m.PolicyInfo.Collect(func(emit func(float64, ...string)) { emit(1, r.rev.Load().digest) })
	m.CollectWaiting.Collect(func(emit func(float64, ...string)) { emit(float64(r.waiting.Load())) })
	m.PolicyLoads.Add(1, "applied")
	r.instrumentPolicies()
	m.Records.Collect(func(emit func(uint64, ...string)) {
		for _, h := range r.hops(&r.streams) {
			emit(h.book.Sum().Records, h.name)
		}
	})
	m.Samples.Collect(func(emit func(uint64, ...string)) {
		r.eachHop(func(label string, h Hop) {
			for d, n := range h.Dispositions {
				if d != ledger.InFlight.String() && d != ledger.Held.String() { // not final: they go down again
					emit(uint64(n), label, d)
				}
			}
		})
	})
	m.RuleSamples.Collect(func(emit func(uint64, ...string)) {
		r.eachGroup(func(_ string, sum *ledger.Entry) {
			for rule, n := range sum.Rules {
				emit(n, rule.ID, rule.Disposition.String())
			}
		})
	})
	m.DeadLetters.Collect(func(emit func(uint64, ...string)) {
		r.eachGroup(func(_ string, sum *ledger.Entry) {
			for reason, n := range sum.DeadLetters {
				emit(n, reason)
			}
		})
	})
	m.Scans.Collect(func(emit func(uint64, ...string)) {
		r.eachGroup(func(_ string, sum *ledger.Entry) {
			emit(sum.FastScans, "fast")
			emit(sum.SlowScans, "slow")
		})
	})
	m.CacheEvictions.Collect(func(emit func(uint64, ...string)) {
		r.eachGroup(func(_ string, sum *ledger.Entry) {
			for reason, n := range sum.Evicted {
				emit(n, reason)
			}
		})
	})
	r.instrumentGauges()
	r.instrumentSinks()
	r.degradeInstruments()
	r.instrumentBudgets()
	r.instrumentRollouts()
	r.instrumentPlugins()
}

func (r *Runtime) instrumentGauges() {
	m := r.metrics
	m.LedgerImbalance.Collect(func(emit func(float64, ...string)) {
		r.eachHop(func(label string, h Hop) { emit(float64(h.Imbalance), label) })
	})
	m.CachedSeries.Collect(func(emit func(float64, ...string)) {
		r.eachHop(func(label string, h Hop) { emit(float64(h.SeriesIn), label) })
	})
	m.CacheBytes.Collect(func(emit func(float64, ...string)) {
		r.eachHop(func(label string, h Hop) { emit(float64(h.CacheBytes), label) })
	})
	m.ConsumerLag.Collect(func(emit func(float64, ...string)) {
		r.eachHop(func(label string, h Hop) {
			for _, p := range h.Partitions {
				emit(float64(p.Lag), label, p.Topic, strconv.Itoa(int(p.ID)))
			}
		})
	})
	m.PartitionState.Collect(func(emit func(float64, ...string)) {
		r.eachHop(func(label string, h Hop) {
			for _, p := range h.Partitions {
				emit(1, label, p.Topic, strconv.Itoa(int(p.ID)), p.State)
			}
		})
	})
	m.StoreHeadSeries.Collect(func(emit func(float64, ...string)) {
		if s := r.Status().Store; s != nil {
			emit(float64(s.Series))
		}
	})
	m.ScrapeSeries.Collect(func(emit func(float64, ...string)) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		for _, a := range r.adapters {
			if a.page != nil {
				emit(float64(a.page.Series()))
			}
		}
	})
}

// instrumentPolicies feeds the metrics of the policy set in force.
func (r *Runtime) instrumentPolicies() {
	m := r.metrics
	flag := func(of func(p *PolicyStatus) bool) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			v := 0.0
			if p := r.PolicyStatus(); of(&p) {
				v = 1
			}
			emit(v)
		}
	}
	m.PolicyRefused.Collect(flag(func(p *PolicyStatus) bool { return p.Refused != nil }))
	m.PolicyFallback.Collect(flag(func(p *PolicyStatus) bool { return p.Fallback }))
	m.PolicyProbation.Collect(flag(func(p *PolicyStatus) bool { return p.State != PolicyGood }))
	m.PolicySince.Collect(func(emit func(float64, ...string)) {
		emit(float64(r.rev.Load().since.UnixMilli()) / 1000)
	})
}

func (r *Runtime) instrumentSinks() {
	m := r.metrics
	m.EventLag.Collect(func(emit func(count uint64, below func(time.Duration) uint64, sum float64, labels ...string)) {
		for _, h := range r.hops(&r.sinks) {
			lag := h.book.Sum().Lag
			emit(lag.Count(), lag.Below, lag.Sum(), h.name)
		}
	})
	m.SinkSamples.Collect(func(emit func(uint64, ...string)) {
		if s := r.Status().Store; s != nil {
			for result, n := range map[string]uint64{
				"acknowledged": s.Written, "duplicate": s.Duplicates, "conflict": s.Conflicts,
				"late": s.Late, "ahead": s.Ahead, "invalid": s.Invalid,
			} {
				emit(n, "store", result)
			}
		}
		r.eachWriter(func(name string, s remotewrite.Stats) {
			emit(s.Written, name, "acknowledged")
			emit(s.Dropped, name, "dropped")
			for reason, n := range s.Rejected {
				emit(n, name, reason)
			}
		})
	})
	m.SinkRetries.Collect(func(emit func(uint64, ...string)) {
		r.eachWriter(func(name string, s remotewrite.Stats) { emit(s.Retries, name) })
	})
}

func (r *Runtime) eachWriter(f func(name string, s remotewrite.Stats)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, a := range r.adapters {
		if a.writer != nil {
			f(name, a.writer.Stats())
		}
	}
}

// eachHop visits all hops by the label they have in metrics.
func (r *Runtime) eachHop(f func(label string, h Hop)) {
	for _, h := range r.hops(&r.streams) {
		f("stream."+h.name, h.status())
	}
	for _, h := range r.hops(&r.sinks) {
		f("sink."+h.name, h.status())
	}
}
