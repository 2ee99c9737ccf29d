package control

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Revision is a policy set that was pushed. Its bundle lies beside it, by digest.
type Revision struct {
	N      int       `json:"n"`              // place in the history, from 1
	ID     string    `json:"id"`             // tells pushes of the same N apart
	Digest string    `json:"digest"`         // of the policy set
	Base   string    `json:"base,omitempty"` // digest that it was made against; "" when there was none
	By     string    `json:"by,omitempty"`   // who pushed it; "" is an instance itself
	From   string    `json:"from,omitempty"` // the address that was pushed from
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
	Origin Origin    `json:"origin"`
	Plan   string    `json:"plan,omitempty"` // digest of the plan that was agreed to
}

// Origin says where a revision is from.
type Origin struct {
	Kind   string `json:"kind"`             // push, rollback, git or directory
	Commit string `json:"commit,omitempty"` // of git
	Ref    string `json:"ref,omitempty"`    // branch or tag of git
}

// Bounds of the history. What is beyond them is forgotten at the next push.
const (
	HistoryLength = 100
	HistoryBytes  = 64 << 20 // of the bundles as stored; the newest two stay whatever they take
)

// Errors of a push, and of looking for what is not there.
var (
	ErrConflict  = errors.New("another revision was pushed in between")
	ErrUnknown   = errors.New("not in the history")
	ErrNotLoaded = errors.New("the control topic is not read to its end yet")
)

// Revisions are the policy sets that were pushed, in one order for the whole
// fleet. A push writes what would be next after what its writer has seen; it counts
// when no record before it in the log has the same or a larger place. So of two
// pushes at once the first in the log wins, every instance sees it so, and who lost
// knows at once. Safe for concurrent use.
type Revisions struct{ log Log }

// NewRevisions returns those of a log.
func NewRevisions(log Log) *Revisions { return &Revisions{log} }

const (
	revisionKind = "revision"
	bundleKind   = "bundle"
)

func revisionKey(n int, id string) string { return fmt.Sprintf("%s/%010d/%s", revisionKind, n, id) }

// Push makes a revision the newest one. Of rev, N, ID and At are set here. Base
// must be the digest of the current revision; when there is none it may be
// anything. A bundle is at most what the log takes, compressed. Errors: ErrConflict,
// ErrNotLoaded, or one of the log, which leaves open whether the revision was
// pushed unless it is a refusal.
func (r *Revisions) Push(ctx context.Context, rev Revision, bundle []byte) (Revision, error) {
	if !r.log.Loaded() {
		return Revision{}, ErrNotLoaded
	}
	current, pushed := r.Current()
	if pushed && current.Digest != rev.Base {
		return Revision{}, conflict(current)
	}
	packed, err := pack(bundle)
	if err != nil {
		return Revision{}, err
	}
	rev.N, rev.ID, rev.At = current.N+1, rand.Text(), time.Now().UTC()
	value, err := json.Marshal(rev)
	if err != nil {
		return Revision{}, fmt.Errorf("revision %s: %w", rev.Digest, err)
	}
	// The bundle first: who sees a revision can load it.
	if err := r.log.Put(ctx, bundleKind+"/"+rev.Digest, packed); err != nil {
		return Revision{}, fmt.Errorf("bundle of revision %s: %w", rev.Digest, err)
	}
	key := revisionKey(rev.N, rev.ID)
	if err := r.log.Put(ctx, key, value); err != nil {
		return Revision{}, fmt.Errorf("revision %s: %w", rev.Digest, err)
	}
	counted, _ := r.split()
	if !slices.ContainsFunc(counted, func(c Revision) bool { return c.ID == rev.ID }) {
		err := conflict(counted[len(counted)-1])
		return Revision{}, errors.Join(err, r.log.Delete(ctx, key))
	}
	if err := r.restore(ctx, bundleKind+"/"+rev.Digest, packed); err != nil {
		return rev, fmt.Errorf("bundle of revision %s: %w", rev.Digest, err)
	}
	_ = r.trim(ctx) // the next push does it again, and nothing depends on it
	return rev, nil
}

// restore puts a bundle back that another instance deleted because its revision
// was not written yet.
func (r *Revisions) restore(ctx context.Context, key string, packed []byte) error {
	if _, ok := r.log.Get(key); ok {
		return nil
	}
	return r.log.Put(ctx, key, packed)
}

func conflict(with Revision) error {
	return fmt.Errorf("%w: %s is current, pushed at %s", ErrConflict, with.Digest, with.At.Format(time.RFC3339))
}

// Current returns the newest revision; false when none was pushed.
func (r *Revisions) Current() (Revision, bool) {
	counted, _ := r.split()
	if len(counted) == 0 {
		return Revision{}, false
	}
	return counted[len(counted)-1], true
}

// History returns the newest revisions, the newest first, at most HistoryLength.
func (r *Revisions) History() []Revision {
	counted, _ := r.split()
	slices.Reverse(counted)
	return counted[:min(len(counted), HistoryLength)]
}

// Changed returns a channel that is closed when a revision is pushed. Take it before
// looking.
func (r *Revisions) Changed() <-chan struct{} { return r.log.Changed(revisionKind) }

// Bundle returns the bundle of a revision in the history by its digest, as it was
// pushed. Errors wrap ErrUnknown, which passes in the moments after a push, or say
// that what is stored is damaged.
func (r *Revisions) Bundle(digest string) ([]byte, error) {
	e, ok := r.log.Get(bundleKind + "/" + digest)
	if !ok {
		return nil, fmt.Errorf("revision %s: %w", digest, ErrUnknown)
	}
	bundle, err := unpack(e.Value)
	if err != nil {
		return nil, fmt.Errorf("bundle of revision %s: %w", digest, err)
	}
	return bundle, nil
}

// split returns the revisions that count, the newest last, and the keys of the
// records that do not: those that lost, and what no instance has written.
func (r *Revisions) split() (counted []Revision, void []string) {
	last := 0
	for _, e := range r.log.List(revisionKind + "/") {
		rev, ok := readRevision(e)
		if !ok || rev.N <= last {
			void = append(void, e.Key)
			continue
		}
		last = rev.N
		counted = append(counted, rev)
	}
	return counted, void
}

// readRevision returns a record's revision; false for what no instance writes.
func readRevision(e Entry) (rev Revision, ok bool) {
	if err := json.Unmarshal(e.Value, &rev); err != nil {
		return Revision{}, false
	}
	ok = rev.N > 0 && rev.ID != "" && rev.Digest != "" && !strings.Contains(rev.Digest, "/") && e.Key == revisionKey(rev.N, rev.ID)
	return rev, ok
}

// trim forgets what is beyond the bounds. First what does not count: it could seem
// to, once the record that it lost against is gone.
func (r *Revisions) trim(ctx context.Context) error {
	counted, void := r.split()
	for _, key := range void {
		if err := r.log.Delete(ctx, key); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	kept := len(counted)
	for bytes, seen := 0, map[string]bool{}; kept > 0; kept-- {
		digest := counted[kept-1].Digest
		if !seen[digest] {
			e, _ := r.log.Get(bundleKind + "/" + digest)
			bytes += len(e.Value)
			seen[digest] = true
		}
		if n := len(counted) - kept; n >= HistoryLength || n >= 2 && bytes > HistoryBytes {
			break
		}
	}
	for _, rev := range counted[:kept] {
		if err := r.log.Delete(ctx, revisionKey(rev.N, rev.ID)); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	return r.trimBundles(ctx)
}

// trimBundles forgets the bundles of no revision. One may be pushed just then: who
// deletes its bundle sees that afterwards, and puts it back.
func (r *Revisions) trimBundles(ctx context.Context) error {
	used := func() map[string]bool {
		counted, _ := r.split()
		digests := map[string]bool{}
		for _, rev := range counted {
			digests[bundleKind+"/"+rev.Digest] = true
		}
		return digests
	}
	now := used()
	for _, e := range r.log.List(bundleKind + "/") {
		if now[e.Key] {
			continue
		}
		if err := r.log.Delete(ctx, e.Key); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		if !used()[e.Key] {
			continue
		}
		if err := r.log.Put(ctx, e.Key, e.Value); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	return nil
}
