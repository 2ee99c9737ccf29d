package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Times of heartbeats. An instance that was not heard of for InstanceStale may
// have died, or its broker may be away; after InstanceGone it is forgotten.
const (
	BeatEvery     = 2 * time.Second
	InstanceStale = 10 * time.Second
	InstanceGone  = 10 * time.Minute
)

// Instance is what one instance says of itself, every BeatEvery.
type Instance struct {
	Name      string    `json:"name"`                // without a slash, of its own in the fleet
	Address   string    `json:"address,omitempty"`   // URL of its API; "" when it does not say
	Version   string    `json:"version,omitempty"`   // of the program
	Roles     []string  `json:"roles,omitempty"`     // none: all
	Revision  string    `json:"revision"`            // digest of the policy set in force
	State     string    `json:"state"`               // ready or waiting, or that of its streams when it reads none of them
	Waiting   string    `json:"waiting,omitempty"`   // for what
	Error     string    `json:"error,omitempty"`     // why the last policy set was not taken up
	Overrides int       `json:"overrides,omitempty"` // that it has in force
	Started   time.Time `json:"started"`

	NotRead map[string]string `json:"not_read,omitempty"` // streams that it does not read, and their state
}

// Heard is an instance and when it was last heard of.
type Heard struct {
	Instance
	At    time.Time // by this reader's clock
	Stale bool      // for longer than InstanceStale
}

// Instances are those of the fleet. Safe for concurrent use.
type Instances struct{ log Log }

// NewInstances returns those of a log.
func NewInstances(log Log) *Instances { return &Instances{log} }

const instanceKind = "instance"

// Beat tells the fleet of an instance, and forgets those that are gone.
func (s *Instances) Beat(ctx context.Context, in Instance) error {
	if in.Name == "" || strings.Contains(in.Name, "/") {
		return fmt.Errorf("%q is no name for an instance: it is empty or has a slash", in.Name)
	}
	value, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("instance %s: %w", in.Name, err)
	}
	if err := s.log.Put(ctx, instanceKind+"/"+in.Name, value); err != nil {
		return err
	}
	for _, e := range s.log.List(instanceKind + "/") {
		if time.Since(e.Heard) < InstanceGone {
			continue
		}
		if err := s.log.Delete(ctx, e.Key); err != nil {
			return err
		}
	}
	return nil
}

// Leave tells the fleet that an instance ends.
func (s *Instances) Leave(ctx context.Context, name string) error {
	return s.log.Delete(ctx, instanceKind+"/"+name)
}

// List returns the instances that were heard of within InstanceGone, the longest
// silent first.
func (s *Instances) List() (out []Heard) {
	for _, e := range s.log.List(instanceKind + "/") {
		h := Heard{At: e.Heard}
		silent := time.Since(e.Heard)
		if json.Unmarshal(e.Value, &h.Instance) != nil || instanceKind+"/"+h.Name != e.Key || silent >= InstanceGone {
			continue
		}
		h.Stale = silent > InstanceStale
		out = append(out, h)
	}
	return out
}

// Changed returns a channel that is closed when an instance is heard of or leaves.
func (s *Instances) Changed() <-chan struct{} { return s.log.Changed(instanceKind) }
