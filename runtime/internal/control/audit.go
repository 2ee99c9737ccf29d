package control

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of the audit.
const (
	AuditAge     = 90 * 24 * time.Hour
	AuditEntries = 10_000
)

const (
	auditKind = "audit"

	// auditTime sorts as text, which RFC 3339 with fractions as needed does not.
	auditTime = "2006-01-02T15:04:05.000000000Z"
)

// Audits are what was done, by whom. An entry is JSON that this package does not
// look into. Safe for concurrent use.
type Audits struct{ log Log }

// NewAudits returns those of a log.
func NewAudits(log Log) *Audits { return &Audits{log} }

// Audited is an entry and its place.
type Audited struct {
	ID    string // sorts by time
	Entry json.RawMessage
}

// NewAuditID returns a new place for something that was done at a time.
func NewAuditID(at time.Time) string {
	return at.UTC().Format(auditTime) + "-" + rand.Text()[:8]
}

// Put writes an entry. Writing the same again is harmless.
func (a *Audits) Put(ctx context.Context, entry Audited) error {
	return a.log.Put(ctx, auditKind+"/"+entry.ID, entry.Entry)
}

// Trim deletes what is beyond the bounds.
func (a *Audits) Trim(ctx context.Context) error {
	entries := a.List()
	oldest := time.Now().Add(-AuditAge).UTC().Format(auditTime)
	for i, e := range entries {
		if i < AuditEntries && e.ID >= oldest {
			continue
		}
		if err := a.log.Delete(ctx, auditKind+"/"+e.ID); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	return nil
}

// List returns the entries, the newest first.
func (a *Audits) List() []Audited {
	var out []Audited
	for _, e := range a.log.List(auditKind + "/") {
		id := strings.TrimPrefix(e.Key, auditKind+"/")
		if len(id) <= len(auditTime)+1 || !json.Valid(e.Value) {
			continue // not ours
		}
		if _, err := time.Parse(auditTime, id[:len(auditTime)]); err == nil {
			out = append(out, Audited{id, e.Value})
		}
	}
	slices.SortFunc(out, func(x, y Audited) int { return strings.Compare(y.ID, x.ID) })
	return out
}
