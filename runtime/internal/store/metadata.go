package store

import (
	"sync"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// maxFamilies bounds the metadata; families beyond it have none.
const maxFamilies = 20_000

// Metadata describes a metric family, as the Prometheus HTTP API gives it.
type Metadata struct {
	Type string `json:"type"` // gauge, counter, summary, info
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// typeWords are the types as Prometheus has them.
var typeWords = [...]string{
	engine.TypeGauge: "gauge", engine.TypeCounter: "counter", engine.TypeSummary: "summary", engine.TypeInfo: "info",
}

// metadata is what is known of the families whose series were bound.
type metadata struct {
	help func(family string) (help, unit string)

	mu       sync.RWMutex
	families map[string]Metadata
}

// add notes the type of a series' family; the first one stays. A summary is
// known by its quantiles: its count has another name.
func (m *metadata) add(s engine.Series) {
	if s.Type == engine.TypeSummary && s.Labels.Get("quantile") == "" {
		return
	}
	m.mu.RLock()
	_, known := m.families[s.Name]
	full := len(m.families) >= maxFamilies
	m.mu.RUnlock()
	if known || full {
		return
	}
	d := Metadata{Type: typeWords[s.Type]}
	if m.help != nil {
		d.Help, d.Unit = m.help(s.Name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.families[s.Name]; !known {
		m.families[s.Name] = d
	}
}

// Metadata returns what is known of one metric family, or of all when family is
// "", at most limit of them (0: all). As JSON it is the data field of
// /api/v1/metadata.
func (s *Store) Metadata(family string, limit int) map[string][]Metadata {
	s.meta.mu.RLock()
	defer s.meta.mu.RUnlock()
	out := map[string][]Metadata{}
	if family != "" {
		if d, ok := s.meta.families[family]; ok {
			out[family] = []Metadata{d}
		}
		return out
	}
	for name, d := range s.meta.families {
		if limit > 0 && len(out) >= limit {
			break
		}
		out[name] = []Metadata{d}
	}
	return out
}
