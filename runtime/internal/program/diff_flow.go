package program

import (
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// neckKey is what a limit rule or a budget counts together.
type neckKey struct {
	rule int32
	key  string // "" when a limit counts over tasks
}

// newIn returns what a map has under a key, a new one where it has nothing.
func newIn[K comparable, V any](m map[K]*V, key K) *V {
	v := m[key]
	if v == nil {
		v = new(V)
		m[key] = v
	}
	return v
}

// neck is something that the samples of several series pass together.
type neck struct{ samples, most float64 }

// portion is the share of the samples that passes.
func (n *neck) portion() float64 { return portion(n.most, n.samples) }

// portion is the share of n that passes when most does at most.
func portion(most, n float64) float64 {
	if n <= most {
		return 1
	}
	return most / n
}

// flow is an amount of samples and bytes.
type flow struct{ samples, bytes float64 }

func (f flow) times(share float64) flow { return flow{f.samples * share, f.bytes * share} }

// flow works out how much of a series goes on. Traffic that knows no time is one
// moment: one interval, and one burst of a limit.
func (s *half) flow(c *compared, j *judged) {
	pass := 1.0
	switch j.Step.Kind {
	case SampleStep:
		pass = float64(j.Step.Share) / (1 << 64)
	case ThinStep:
		pass = portion(c.once(j.Step.Every), c.flow.samples)
	case LimitStep:
		most := j.Step.Rate
		if !c.timed {
			most = max(most, 1)
		}
		if j.Step.Per == PerSeries {
			pass = portion(most, c.flow.samples)
			break
		}
		key := neckKey{rule: j.Rule}
		if j.Step.Per == PerTask {
			key.key = c.in.Task
		}
		s.limit(j, key, most, c.flow.samples)
	}
	j.out = c.flow.times(pass)
	j.kept = j.out.samples
	s.charge(c, j)
	if j.merge != nil {
		s.enter(c, j)
	}
	if j.alone {
		j.id = s.hash(j.Name, j.Labels)
		j.out.bytes *= length(j.Name, j.Labels) / length(c.in.Name, c.in.Labels)
		return
	}
	j.out = flow{}
}

// once is how many samples pass that are one in an interval.
func (c *compared) once(every time.Duration) float64 {
	if !c.timed {
		return 1
	}
	return 1 / every.Seconds()
}

func (s *half) limit(j *judged, key neckKey, most, samples float64) {
	l := s.limits[key]
	if l == nil {
		l = &neck{most: most}
		s.limits[key] = l
	}
	l.samples += samples
	j.limits = append(j.limits, l)
}

// charge asks the budgets, as if the series of the traffic came in its order to one
// instance that is new. Growth is not asked for: traffic has no past.
func (s *half) charge(c *compared, j *judged) {
	for i := range j.Charges {
		x := &j.Charges[i]
		if newIn(s.accounts, neckKey{x.Rule, x.Key}).Room(&x.Bound, 1, 0) {
			continue
		}
		j.alone, j.by, j.merge = false, x.Rule, nil
		if x.Drop {
			j.Disposition, j.kept = ledger.OverBudget, 0
		} else {
			j.Disposition, j.merge = ledger.Merged, x.Overflow(c.in.Task, &j.Verdict)
		}
		return
	}
	for i := range j.Charges {
		x := &j.Charges[i]
		newIn(s.accounts, neckKey{x.Rule, x.Key}).Take(&x.Bound, 0)
		if x.Samples > 0 {
			s.limit(j, neckKey{x.Rule, x.Key}, x.Samples, j.out.samples)
		}
	}
}

// enter lets the samples of a series go into its cell, which sends one a window.
func (s *half) enter(c *compared, j *judged) {
	m := j.merge
	if m.Rule != NoRule && j.Disposition == ledger.Out {
		j.by, j.alone = m.Rule, m.Keep
	}
	j.cellID = s.hash(m.Name, m.Labels)
	if j.cell = s.cells[j.cellID]; j.cell == nil {
		j.cell = &neck{most: c.once(m.Window)}
		s.cells[j.cellID] = j.cell
	}
	j.cell.samples += j.out.samples
	j.into = j.out
	j.into.bytes *= length(m.Name, m.Labels) / length(c.in.Name, c.in.Labels)
}

// complete reports whether what goes on does not depend on other series.
func (j *judged) complete() bool { return len(j.limits) == 0 && j.cell == nil }

// share applies what many series pass together, when all of them are known.
func (j *judged) share() {
	pass := 1.0
	for _, l := range j.limits {
		pass = min(pass, l.portion())
	}
	j.out, j.into, j.kept = j.out.times(pass), j.into.times(pass), j.kept*pass
	if j.cell != nil {
		j.into = j.into.times(j.cell.portion())
	}
}

// length is how long a record of one sample is about: what says which series it
// is, and the rest.
func length(name string, labels metric.Labels) float64 {
	const rest, around = 120, 6 // of each label: quotes, colon, comma
	n := rest + len(name)
	for _, l := range labels {
		n += len(l.Name) + len(l.Value) + around
	}
	return float64(n)
}
