package runtime

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// AuditEntry says who did what. It has no secrets: neither tokens nor the text of
// policies.
type AuditEntry struct {
	ID        string            `json:"id"`               // sorts by time; set by Audit
	At        time.Time         `json:"at"`               // set by Audit when it is zero
	Instance  string            `json:"instance"`         // that did it; set by Audit
	Actor     Actor             `json:"actor"`            // who asked; sluice is the instance itself
	Operation string            `json:"operation"`        // what was asked, such as setOverride
	Target    string            `json:"target,omitempty"` // what it was done to
	Reason    string            `json:"reason,omitempty"` // in the words of who asked
	Before    string            `json:"before,omitempty"` // revision
	After     string            `json:"after,omitempty"`  // revision
	Result    string            `json:"result"`           // done, refused or failed
	Error     string            `json:"error,omitempty"`  // why not done
	Detail    map[string]string `json:"detail,omitempty"` // what else belongs to the operation
}

// Results of an operation.
const (
	AuditDone    = "done"
	AuditRefused = "refused"
	AuditFailed  = "failed"
)

// maxAuditWaiting is how many entries wait for a broker that is away. What comes
// then is in the log only.
const maxAuditWaiting = 1000

// auditQueue holds the entries that are not on the control topic yet.
type auditQueue struct {
	mu      sync.Mutex
	waiting []AuditEntry
	more    chan struct{}
}

func newAuditQueue() *auditQueue { return &auditQueue{more: make(chan struct{}, 1)} }

func (q *auditQueue) add(e AuditEntry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxAuditWaiting {
		return false
	}
	q.waiting = append(q.waiting, e)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return true
}

// first returns the entry that waits the longest; false when none does.
func (q *auditQueue) first() (AuditEntry, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return AuditEntry{}, false
	}
	return q.waiting[0], true
}

// written takes the first entry out.
func (q *auditQueue) written() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = q.waiting[1:]
}

// Audit records that something was done, or refused: in the log at once, and on the
// control topic as soon as that can be written. It never waits for a broker. The
// error says that too many entries wait already; the entry is then in the log only.
func (r *Runtime) Audit(ctx context.Context, e AuditEntry) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.At = e.At.UTC()
	e.ID, e.Instance = control.NewAuditID(e.At), r.name
	if e.Actor.Itself() {
		e.Actor.Name = "sluice"
	}
	e.Result = cmp.Or(e.Result, AuditDone)
	level := slog.LevelInfo
	if e.Result != AuditDone {
		level = slog.LevelWarn
	}
	r.log.LogAttrs(ctx, level, "audit", e.attrs()...)
	if r.audits.add(e) {
		return nil
	}
	r.metrics.AuditLost.Add(1)
	return fmt.Errorf("%d audit entries wait for the control topic: this one is in the log only", maxAuditWaiting)
}

// auditOwn records what the instance did by itself. An entry that cannot be written
// is in the log.
func (r *Runtime) auditOwn(ctx context.Context, e AuditEntry) {
	if err := r.Audit(ctx, e); err != nil {
		r.log.Error("audit", "error", err)
	}
}

// attrs are the fields of an entry that say something, for the log.
func (e AuditEntry) attrs() (out []slog.Attr) {
	for _, f := range []struct{ name, value string }{
		{"operation", e.Operation}, {"target", e.Target}, {"by", e.Actor.Name}, {"role", string(e.Actor.Role)},
		{"from", e.Actor.Address}, {"reason", e.Reason}, {"before", e.Before}, {"after", e.After},
		{"result", e.Result}, {"error", e.Error}, {"id", e.ID},
	} {
		if f.value != "" {
			out = append(out, slog.String(f.name, f.value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		out = append(out, slog.String(name, e.Detail[name]))
	}
	return out
}

// Times of writing the audit.
const (
	auditPatience = 10 * time.Second
	auditLast     = 2 * time.Second // at the end
	auditTrim     = time.Hour
)

// writeAudit is the part that puts entries on the control topic. Those that are
// left at the end are tried for a moment; all are in the log.
func (r *Runtime) writeAudit(ctx context.Context, ready func()) error {
	ready()
	audits := control.NewAudits(r.control.Load())
	trim := time.NewTicker(auditTrim)
	defer trim.Stop()
	away := false
	for {
		err := r.putAudits(ctx, audits, auditPatience)
		switch {
		case ctx.Err() != nil:
			if err := r.putAudits(context.WithoutCancel(ctx), audits, auditLast); err != nil {
				r.log.Warn("the last audit entries are in the log only", "error", err)
			}
			return nil
		case err != nil && !away:
			r.log.Warn("audit entries wait for the control topic", "error", err)
		case err == nil && away:
			r.log.Info("audit entries are on the control topic again")
		}
		away = err != nil
		var again <-chan time.Time
		if away {
			again = time.After(controlRetry)
		}
		select {
		case <-ctx.Done():
		case <-r.audits.more:
		case <-again:
		case <-trim.C:
			if err := audits.Trim(ctx); err != nil && ctx.Err() == nil {
				r.log.Warn("old audit entries cannot be deleted", "error", err)
			}
		}
	}
}

// putAudits writes what waits, one after the other, and stops at what cannot be
// written within patience.
func (r *Runtime) putAudits(ctx context.Context, audits *control.Audits, patience time.Duration) error {
	for {
		e, ok := r.audits.first()
		if !ok {
			return nil
		}
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("audit entry %s: %w", e.ID, err)
		}
		waiting, cancel := context.WithTimeout(ctx, patience)
		err = audits.Put(waiting, control.Audited{ID: e.ID, Entry: text})
		cancel()
		if err != nil {
			return err
		}
		r.audits.written()
	}
}

// AuditFilter chooses entries; what is zero chooses all.
type AuditFilter struct {
	Since     time.Time // not before
	Who       string    // name of the actor
	Operation string
	Target    string
}

func (f AuditFilter) takes(e AuditEntry) bool {
	return !e.At.Before(f.Since) &&
		(f.Who == "" || e.Actor.Name == f.Who) &&
		(f.Operation == "" || e.Operation == f.Operation) &&
		(f.Target == "" || e.Target == f.Target)
}

// AuditTrail returns what was done in the whole fleet, the newest first: at most 90
// days and 10,000 entries. Those of this instance that wait for the control topic
// are among them.
func (r *Runtime) AuditTrail(f AuditFilter) []AuditEntry {
	r.audits.mu.Lock()
	all := slices.Clone(r.audits.waiting)
	r.audits.mu.Unlock()
	slices.Reverse(all)
	known := map[string]bool{}
	for _, e := range all {
		known[e.ID] = true
	}
	if log := r.control.Load(); log != nil {
		for _, a := range control.NewAudits(log).List() {
			var e AuditEntry
			if json.Unmarshal(a.Entry, &e) == nil && e.ID == a.ID && !known[e.ID] {
				all = append(all, e)
			}
		}
	}
	all = slices.DeleteFunc(all, func(e AuditEntry) bool { return !f.takes(e) })
	slices.SortStableFunc(all, func(a, b AuditEntry) int { return strings.Compare(b.ID, a.ID) })
	return all
}
