package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Canary is a policy set that governs a part beside the one in force, in every
// instance that has Base in force. Its bundle lies beside it.
type Canary struct {
	Digest     string        `json:"digest"`
	Base       string        `json:"base"` // digest of the set that governs the rest
	By         string        `json:"by,omitempty"`
	Reason     string        `json:"reason,omitempty"`
	Since      time.Time     `json:"since"`
	Changed    time.Time     `json:"changed"` // when it was given its part
	Share      float64       `json:"share,omitempty"`
	Partitions []int32       `json:"partitions,omitempty"`
	Steps      []float64     `json:"steps,omitempty"`
	Every      time.Duration `json:"every_ns,omitempty"`
}

// Canaries are the canary of the fleet, of which there is one at most: the newest.
// Safe for concurrent use.
type Canaries struct{ log Log }

// NewCanaries returns those of a log.
func NewCanaries(log Log) *Canaries { return &Canaries{log} }

const (
	canaryKind   = "canary"
	canaryKey    = canaryKind + "/current"
	canaryBundle = canaryKind + "/bundle"
)

// canaryValue is a bundle as it is stored: the digest tells whose it is.
type canaryValue struct {
	Digest string `json:"digest"`
	Packed []byte `json:"packed"`
}

// Set makes a canary that of the fleet, or gives it another part. Errors are
// ErrNotLoaded or of the log.
func (x *Canaries) Set(ctx context.Context, c Canary, bundle []byte) error {
	if !x.log.Loaded() {
		return ErrNotLoaded
	}
	packed, err := pack(bundle)
	if err != nil {
		return err
	}
	value, err := json.Marshal(canaryValue{c.Digest, packed})
	if err != nil {
		return fmt.Errorf("canary %s: %w", c.Digest, err)
	}
	if there, ok := x.log.Get(canaryBundle); !ok || string(there.Value) != string(value) {
		if err := x.log.Put(ctx, canaryBundle, value); err != nil { // first: who sees the canary can load it
			return fmt.Errorf("bundle of canary %s: %w", c.Digest, err)
		}
	}
	if value, err = json.Marshal(c); err != nil {
		return fmt.Errorf("canary %s: %w", c.Digest, err)
	}
	return x.log.Put(ctx, canaryKey, value)
}

// End takes the canary with a digest from the fleet; one that is not there is none.
func (x *Canaries) End(ctx context.Context, digest string) error {
	if c, ok := x.Current(); !ok || c.Digest != digest {
		return nil
	}
	if err := x.log.Delete(ctx, canaryKey); err != nil {
		return err
	}
	return x.log.Delete(ctx, canaryBundle)
}

// Current returns the canary of the fleet, if there is one.
func (x *Canaries) Current() (c Canary, ok bool) {
	e, ok := x.log.Get(canaryKey)
	if !ok || json.Unmarshal(e.Value, &c) != nil || c.Digest == "" {
		return Canary{}, false
	}
	return c, true
}

// Bundle returns the bundle of a canary by its digest. The error wraps ErrUnknown,
// which passes in the moments after a change, or says that what is stored is damaged.
func (x *Canaries) Bundle(digest string) ([]byte, error) {
	var v canaryValue
	e, ok := x.log.Get(canaryBundle)
	if !ok || json.Unmarshal(e.Value, &v) != nil || v.Digest != digest {
		return nil, fmt.Errorf("canary %s: %w", digest, ErrUnknown)
	}
	return unpack(v.Packed)
}

// Changed returns a channel that is closed when the canary changes. Take it before
// looking.
func (x *Canaries) Changed() <-chan struct{} { return x.log.Changed(canaryKind) }
