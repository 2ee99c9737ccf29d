package runtime

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
)

// FleetStatus is what this instance knows of the others, by their heartbeats.
type FleetStatus struct {
	Revision  string          `json:"revision"`        // that this instance runs
	Converged bool            `json:"converged"`       // every instance that is heard of runs it, and at least this one is
	Instances []FleetInstance `json:"instances"`       // by name
	Error     string          `json:"error,omitempty"` // why heartbeats may be missing
}

// FleetInstance is one instance.
type FleetInstance struct {
	Name      string    `json:"name"`                // in the fleet
	This      bool      `json:"this,omitempty"`      // the one that was asked
	Address   string    `json:"address,omitempty"`   // URL of its API
	Version   string    `json:"version,omitempty"`   // of the program
	Roles     []string  `json:"roles,omitempty"`     // none: all
	Revision  string    `json:"revision"`            // of the policy set in force
	State     string    `json:"state"`               // ready, waiting; paused, draining, drained: it reads none of its streams; or stale: not heard of for 10 s
	Waiting   string    `json:"waiting,omitempty"`   // for what
	Overrides int       `json:"overrides,omitempty"` // that it has in force
	Error     string    `json:"error,omitempty"`     // why the last policy set was not taken up
	Started   time.Time `json:"started"`             // when its process did
	Heard     time.Time `json:"heard"`               // last heartbeat, by the clock of the instance that was asked

	// Streams that it does not read, by name: paused, draining or drained.
	NotRead map[string]string `json:"not_read,omitempty"`
}

// States of an instance, beside StreamPaused, StreamDraining and StreamDrained, which
// are those of one that reads none of its streams.
const (
	StateReady   = "ready"
	StateWaiting = "waiting"
	StateStale   = "stale"
)

// instanceName is that of the configuration, or one that no other instance has.
func (c *Config) instanceName() string {
	if c.InstanceID != "" {
		return strings.ReplaceAll(c.InstanceID, "/", "-")
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", strings.ReplaceAll(host, "/", "-"), os.Getpid(), strings.ToLower(rand.Text()[:6]))
}

// Name is that of the instance in the fleet.
func (r *Runtime) Name() string { return r.name }

// SetAddress tells the fleet the URL of this instance's API.
func (r *Runtime) SetAddress(url string) { r.address.Store(&url) }

// self is what the instance says of itself.
func (r *Runtime) self() control.Instance {
	in := control.Instance{
		Name: r.name, Version: r.opts.Version, Roles: r.cfg.Roles, Revision: r.rev.Load().digest,
		State: StateReady, Started: r.started, Overrides: r.overriding.count(),
	}
	if a := r.address.Load(); a != nil {
		in.Address = *a
	}
	if refused := r.PolicyStatus().Refused; refused != nil {
		in.Error = refused.Error
	}
	streams := r.Streams()
	in.NotRead = notRead(streams)
	if err := r.Ready(); err != nil {
		in.State, in.Waiting = StateWaiting, err.Error()
	} else if len(streams) > 0 && len(in.NotRead) == len(streams) {
		in.State = haltedState(in.NotRead)
	}
	return in
}

// notRead returns the state of each stream that somebody has halted; nil: none is.
func notRead(streams []Stream) map[string]string {
	var out map[string]string
	for i := range streams {
		switch s := &streams[i]; s.State {
		case StreamPaused, StreamDraining, StreamDrained:
			if out == nil {
				out = map[string]string{}
			}
			out[s.Name] = s.State
		}
	}
	return out
}

// haltedState is that of an instance whose streams are all halted: drained when all of
// them are, and so nothing is on its way.
func haltedState(streams map[string]string) string {
	out := StreamDrained
	for _, state := range streams {
		switch {
		case state == StreamDraining:
			return StreamDraining
		case state == StreamPaused:
			out = StreamPaused
		}
	}
	return out
}

// heartbeat is the part that tells the fleet of this instance, and at its end that
// it has gone. It says what is new at once, and the same every two seconds.
func (r *Runtime) heartbeat(ctx context.Context, ready func()) error {
	ready()
	fleet := control.NewInstances(r.control.Load())
	tick := time.NewTicker(control.BeatEvery)
	defer tick.Stop()
	silent := false
	for {
		replaced := r.rev.Load().replaced
		beating, cancel := context.WithTimeout(ctx, control.InstanceStale)
		err := fleet.Beat(beating, r.self())
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil && !silent:
			r.log.Warn("the fleet does not hear of this instance", "error", err)
		case err == nil && silent:
			r.log.Info("the fleet hears of this instance again")
		}
		silent = err != nil
		select {
		case <-tick.C:
		case <-replaced:
		case <-ctx.Done():
			leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), control.BeatEvery)
			defer cancel()
			if err := fleet.Leave(leaving, r.name); err != nil {
				r.log.Info("the fleet was not told that this instance ends", "error", err)
			}
			return nil
		}
	}
}

// Fleet tells of every instance that was heard of within 10 minutes. Before Run,
// and while the control topic cannot be read, Error says why others are missing.
func (r *Runtime) Fleet() FleetStatus {
	s := FleetStatus{Revision: r.rev.Load().digest, Instances: []FleetInstance{}}
	log := r.control.Load()
	if log == nil {
		s.Error = "the control topic is not read yet"
		return s
	}
	if err := log.Err(); err != nil {
		s.Error = "the control topic is not read: " + err.Error()
	}
	here, same := false, true
	for _, h := range control.NewInstances(log).List() {
		in := FleetInstance{
			Name: h.Name, This: h.Name == r.name, Address: h.Address, Version: h.Version, Roles: h.Roles, Revision: h.Revision,
			State: h.State, Waiting: h.Waiting, NotRead: h.NotRead, Overrides: h.Overrides, Error: h.Error, Started: h.Started, Heard: h.At,
		}
		if h.Stale {
			in.State = StateStale
		} else {
			here = here || in.This
			same = same && in.Revision == s.Revision
		}
		s.Instances = append(s.Instances, in)
	}
	s.Converged = here && same
	slices.SortFunc(s.Instances, func(a, b FleetInstance) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// behind names the instances that are not known to run a revision. One that is not heard
// of has gone, unless nobody can be heard.
func (s *FleetStatus) behind(revision string) (names []string) {
	for _, in := range s.Instances {
		if in.Revision != revision && (in.State != StateStale || s.Error != "") {
			names = append(names, in.Name)
		}
	}
	return names
}

// FleetChanged returns a channel that is closed when Fleet may say something else
// than before: at the next heartbeat of any instance, or the next reload of this
// one. It is nil, and blocks, before the control topic is there.
func (r *Runtime) FleetChanged() <-chan struct{} {
	log := r.control.Load()
	if log == nil {
		return nil
	}
	return control.NewInstances(log).Changed()
}
