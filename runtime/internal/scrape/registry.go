package scrape

import (
	"slices"
	"strings"
	"sync"
	"unique"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// registry holds the series that lanes have bound, by family. Its lock is taken
// when series come and go and at the start of a scrape, never per sample.
type registry struct {
	mu       sync.Mutex
	slots    map[identity]*slot
	families map[string]*family
	order    []*family // by name; nil after a family came or went
}

// identity is what makes two series the same line.
type identity struct {
	name   string
	labels unique.Handle[string]
}

// family is all series under one # TYPE line.
type family struct {
	name   string
	header string
	slots  []*slot
	sorted []*slot // slots by name and labels; nil after one came or went, never written to
}

// acquire returns the slot of a series, made when it is new, with one more
// reference.
func (r *registry) acquire(s engine.Series) *slot {
	name := exposedName(s.Name)
	id := identity{name, unique.Make(labelText(s.Labels))}
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.slots[id]
	if x == nil {
		x = &slot{name: name, labels: id.labels, family: r.family(name, s)}
		x.family.add(x)
		r.slots[id] = x
	}
	x.refs++
	return x
}

// release gives back one reference and reports whether it was the last.
func (r *registry) release(s *slot) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.refs--; s.refs > 0 {
		return false
	}
	delete(r.slots, identity{s.name, s.labels})
	if s.family.remove(s); len(s.family.slots) == 0 {
		delete(r.families, s.family.name)
		r.order = nil
	}
	return true
}

// family returns the family of a series. Its first series decides the type: a
// name has one type in the text format.
func (r *registry) family(name string, s engine.Series) *family {
	typ := s.Type
	if typ == engine.TypeSummary && s.Labels.Get("quantile") == "" {
		if base, ok := strings.CutSuffix(name, "_count"); ok {
			name = base
		} else {
			typ = engine.TypeGauge // a rewrite took what made it part of a summary
		}
	}
	f := r.families[name]
	if f == nil {
		f = &family{name: name, header: "# TYPE " + name + " " + typeWords[typ] + "\n"}
		r.families[name] = f
		r.order = nil
	}
	return f
}

// typeWords are the types as the text format has them; it has none for info.
var typeWords = [...]string{
	engine.TypeGauge:   "gauge",
	engine.TypeCounter: "counter",
	engine.TypeSummary: "summary",
	engine.TypeInfo:    "gauge",
}

func (f *family) add(s *slot) {
	s.position = len(f.slots)
	f.slots = append(f.slots, s)
	f.sorted = nil
}

func (f *family) remove(s *slot) {
	last := len(f.slots) - 1
	f.slots[s.position] = f.slots[last]
	f.slots[s.position].position = s.position
	f.slots[last] = nil
	f.slots = f.slots[:last]
	f.sorted = nil
}

// view is a family as one scrape sees it.
type view struct {
	header string
	slots  []*slot
}

// snapshot returns all families in the order of exposition. What it returns does
// not change, so that a scrape may take its time.
func (r *registry) snapshot() []view {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order == nil {
		r.order = make([]*family, 0, len(r.families))
		for _, f := range r.families {
			r.order = append(r.order, f)
		}
		slices.SortFunc(r.order, func(a, b *family) int { return strings.Compare(a.name, b.name) })
	}
	views := make([]view, len(r.order))
	for i, f := range r.order {
		if f.sorted == nil {
			f.sorted = slices.Clone(f.slots)
			slices.SortFunc(f.sorted, compareSlots)
		}
		views[i] = view{f.header, f.sorted}
	}
	return views
}

func compareSlots(a, b *slot) int {
	if a.name != b.name {
		return strings.Compare(a.name, b.name)
	}
	return strings.Compare(a.labels.Value(), b.labels.Value())
}
