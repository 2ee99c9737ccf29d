package control

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Canary is a policy set that governs a part beside the one in force, in every
// instance that has Base in force. Its bundle lies beside it. Every change of it
// is another record: another part, other steps, its end.
type Canary struct {
	N          int           `json:"n"`  // change of the fleet's canaries, from 1
	ID         string        `json:"id"` // tells changes of the same N apart
	Digest     string        `json:"digest"`
	Base       string        `json:"base"` // digest of the set that governs the rest
	By         string        `json:"by,omitempty"`
	Reason     string        `json:"reason,omitempty"`
	Since      time.Time     `json:"since"`
	Changed    time.Time     `json:"changed"` // when it was given its part, or ended
	Share      float64       `json:"share,omitempty"`
	Partitions []int32       `json:"partitions,omitempty"`
	Steps      []float64     `json:"steps,omitempty"`
	Every      time.Duration `json:"every_ns,omitempty"`
	Ended      string        `json:"ended,omitempty"`    // how it ended; "": it runs
	Promoted   bool          `json:"promoted,omitempty"` // it ended as the set in force
}

// ErrCanaryChanged says that somebody else changed the canary first.
var ErrCanaryChanged = errors.New("the canary was changed in between")

// Canaries are the canary of the fleet, of which one runs at most. A change is
// written with the number after the one that its writer has seen; of two with the
// same number the first in the log counts, so every instance sees the same, and who
// lost knows at once. Only the newest records are kept. Safe for concurrent use.
type Canaries struct{ log Log }

// NewCanaries returns those of a log.
func NewCanaries(log Log) *Canaries { return &Canaries{log} }

const (
	canaryKind       = "canary"
	canaryBundleKind = "canary-bundle"
)

func canaryKey(n int, id string) string { return fmt.Sprintf("%s/%010d/%s", canaryKind, n, id) }

// Change writes the change after number base, which is that of Newest, or 0 when
// nothing was written yet: a canary begins, is given another part, or ends. N and ID
// are set here. The bundle is that of the canary, which an end needs not. Errors:
// ErrCanaryChanged, ErrNotLoaded, or one of the log, which leaves open whether it
// was written.
func (x *Canaries) Change(ctx context.Context, base int, next Canary, bundle []byte) (Canary, error) {
	if !x.log.Loaded() {
		return Canary{}, ErrNotLoaded
	}
	if now, _ := x.Newest(); now.N != base {
		return Canary{}, canaryConflict(&now)
	}
	packed, err := pack(bundle)
	if err != nil {
		return Canary{}, err
	}
	next.N, next.ID = base+1, rand.Text()
	value, err := json.Marshal(next)
	if err != nil {
		return Canary{}, fmt.Errorf("canary %s: %w", next.Digest, err)
	}
	if err := x.keep(ctx, &next, packed); err != nil { // first: who sees the canary can load it
		return Canary{}, err
	}
	key := canaryKey(next.N, next.ID)
	if err := x.log.Put(ctx, key, value); err != nil {
		return Canary{}, fmt.Errorf("canary %s: %w", next.Digest, err)
	}
	if !x.counts(&next) {
		now, _ := x.Newest()
		return Canary{}, errors.Join(canaryConflict(&now), x.log.Delete(ctx, key))
	}
	if err := x.keep(ctx, &next, packed); err != nil { // who tidied up may have taken it for that of nobody
		return next, err
	}
	_ = x.trim(ctx) // the next change does it again, and nothing depends on it
	return next, nil
}

// keep sees to it that the bundle of a canary that runs is there.
func (x *Canaries) keep(ctx context.Context, c *Canary, packed []byte) error {
	key := canaryBundleKind + "/" + c.Digest
	if _, there := x.log.Get(key); there || c.Ended != "" {
		return nil
	}
	if err := x.log.Put(ctx, key, packed); err != nil {
		return fmt.Errorf("bundle of canary %s: %w", c.Digest, err)
	}
	return nil
}

func canaryConflict(with *Canary) error {
	what := "was changed"
	if with.Ended != "" {
		what = "ended: " + with.Ended
	}
	return fmt.Errorf("%w: %.12s %s, at %s", ErrCanaryChanged, with.Digest, what, with.Changed.UTC().Format(time.RFC3339))
}

// Newest returns the newest change of the fleet's canary; false when there was none.
func (x *Canaries) Newest() (newest Canary, ok bool) {
	for _, e := range x.log.List(canaryKind + "/") {
		if c, ok := readCanary(e); ok && c.N > newest.N {
			newest = c
		}
	}
	return newest, newest.N > 0
}

// counts reports whether a record was the first of its number. Others may have
// followed since.
func (x *Canaries) counts(c *Canary) bool {
	newest, _ := x.Newest()
	if newest.N-c.N >= canariesKept {
		return false // nobody can say
	}
	for _, e := range x.log.List(canaryKind + "/") {
		if other, ok := readCanary(e); ok && other.N == c.N {
			return other.ID == c.ID
		}
	}
	return false
}

// readCanary returns a record's canary; false for what no instance writes.
func readCanary(e Entry) (c Canary, ok bool) {
	if err := json.Unmarshal(e.Value, &c); err != nil {
		return Canary{}, false
	}
	ok = c.N > 0 && c.ID != "" && c.Digest != "" && !strings.Contains(c.Digest, "/") && e.Key == canaryKey(c.N, c.ID)
	return c, ok
}

// canariesKept is how many of the newest changes are kept: who has made one knows by
// them that it counted, although others have followed.
const canariesKept = 20

// trim forgets all but the newest changes, and the bundles of other canaries. One
// may begin just then: who deletes its bundle sees that afterwards, and puts it back.
func (x *Canaries) trim(ctx context.Context) error {
	newest, _ := x.Newest()
	for _, e := range x.log.List(canaryKind + "/") {
		if c, ok := readCanary(e); ok && c.N > newest.N-canariesKept {
			continue
		}
		if err := x.log.Delete(ctx, e.Key); err != nil {
			return fmt.Errorf("canary: %w", err)
		}
	}
	unused := func(e Entry) bool {
		now, _ := x.Newest()
		return now.Ended != "" || e.Key != canaryBundleKind+"/"+now.Digest
	}
	for _, e := range x.log.List(canaryBundleKind + "/") {
		if !unused(e) {
			continue
		}
		if err := x.log.Delete(ctx, e.Key); err != nil {
			return fmt.Errorf("canary: %w", err)
		}
		if unused(e) {
			continue
		}
		if err := x.log.Put(ctx, e.Key, e.Value); err != nil {
			return fmt.Errorf("canary: %w", err)
		}
	}
	return nil
}

// Bundle returns the bundle of a canary by its digest. The error wraps ErrUnknown,
// which passes in the moments after a change, or says that what is stored is damaged.
func (x *Canaries) Bundle(digest string) ([]byte, error) {
	e, ok := x.log.Get(canaryBundleKind + "/" + digest)
	if !ok {
		return nil, fmt.Errorf("canary %s: %w", digest, ErrUnknown)
	}
	return unpack(e.Value)
}

// Changed returns a channel that is closed when the canary changes. Take it before
// looking.
func (x *Canaries) Changed() <-chan struct{} { return x.log.Changed(canaryKind) }
