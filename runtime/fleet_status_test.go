package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// startFleet starts instances on one broker.
func startFleet(t *testing.T, n int, cfg Config) []instance {
	t.Helper()
	if len(cfg.Brokers) == 0 {
		cfg.Brokers = roomyBroker(t)
	}
	var fleet []instance
	for range n {
		fleet = append(fleet, startInstance(t, cfg))
	}
	return fleet
}

func TestFleetKnowsItsInstances(t *testing.T) {
	t.Parallel()
	fleet := startFleet(t, 3, testConfig(t, simpleSet))
	fleet[1].SetAddress("http://10.0.0.2:7070")
	for _, r := range fleet {
		eventually(t, func() string {
			s := r.Fleet()
			ready := slices.DeleteFunc(slices.Clone(s.Instances), func(in FleetInstance) bool { return in.State != StateReady })
			told := slices.ContainsFunc(s.Instances, func(in FleetInstance) bool {
				return in.Name == fleet[1].Name() && in.Address == "http://10.0.0.2:7070"
			})
			if len(ready) == 3 && s.Converged && told && s.Error == "" {
				return ""
			}
			return fmt.Sprintf("%+v", s)
		})
	}
	s := fleet[0].Fleet()
	var this []string
	for _, in := range s.Instances {
		if in.Started.IsZero() || time.Since(in.Heard) > patience || in.Revision != s.Revision {
			t.Errorf("instance %+v", in)
		}
		if in.This {
			this = append(this, in.Name)
		}
	}
	if diff := cmp.Diff([]string{fleet[0].Name()}, this); diff != "" {
		t.Errorf("itself (-want +got):\n%s", diff)
	}
}

func TestFleetSaysWhenItHasNotConvergedAndWhoHasLeft(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.Brokers = roomyBroker(t)
	r := startInstance(t, cfg)
	t.Run("second", func(t *testing.T) {
		other := testConfig(t, dropping("b"))
		other.Brokers = cfg.Brokers
		second := startInstance(t, other)
		eventually(t, func() string {
			if s := r.Fleet(); len(s.Instances) != 2 || s.Converged {
				return fmt.Sprintf("%+v", s)
			}
			return ""
		})
		if s := second.Fleet(); s.Revision == r.Fleet().Revision {
			t.Errorf("both run %s", s.Revision)
		}
	})
	eventually(t, func() string { // who ends in order is forgotten at once
		if s := r.Fleet(); len(s.Instances) != 1 || !s.Converged {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
}

func TestFleetSaysWhatIsNotRead(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, simpleSet+`
	stream: other: {topics: ["flink.other"]}
`)
	cfg.Brokers = roomyBroker(t)
	fleet := startFleet(t, 2, cfg)
	is := func(state string, notRead map[string]string) {
		t.Helper()
		eventually(t, func() string {
			for _, in := range fleet[1].Fleet().Instances {
				if in.Name == fleet[0].Name() && in.State == state && maps.Equal(in.NotRead, notRead) {
					return ""
				}
			}
			return fmt.Sprintf("%+v", fleet[1].Fleet().Instances)
		})
	}
	halt := HaltRequest{Reason: "the node goes away"}
	must := func(_ Stream, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is(StateReady, nil)
	must(fleet[0].DrainStream(t.Context(), operator, "native", halt))
	is(StateReady, map[string]string{"native": StreamDrained})
	must(fleet[0].PauseStream(t.Context(), operator, "other", halt))
	is(StreamPaused, map[string]string{"native": StreamDrained, "other": StreamPaused})
	must(fleet[0].DrainStream(t.Context(), operator, "other", halt))
	is(StreamDrained, map[string]string{"native": StreamDrained, "other": StreamDrained})
	must(fleet[0].ResumeStream(t.Context(), operator, "native"))
	must(fleet[0].ResumeStream(t.Context(), operator, "other"))
	is(StateReady, nil)
	if got := haltedState(map[string]string{"a": StreamDrained, "b": StreamDraining, "c": StreamPaused}); got != StreamDraining {
		t.Errorf("one of the streams is being drained: %s", got)
	}
}

func TestWhoIsBehind(t *testing.T) {
	t.Parallel()
	all := []FleetInstance{
		{Name: "has it", State: StateReady, Revision: "new"}, {Name: "has it, and gone", State: StateStale, Revision: "new"},
		{Name: "late", State: StateReady, Revision: "old"}, {Name: "starts", State: StateWaiting, Revision: "old"}, {Name: "gone", State: StateStale, Revision: "old"},
	}
	for why, want := range map[string][]string{"": {"late", "starts"}, "the control topic is not read": {"late", "starts", "gone"}} {
		s := FleetStatus{Instances: all, Error: why}
		if got := s.behind("new"); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", why, got, want)
		}
	}
}

func TestFleetBeforeThereIsOne(t *testing.T) {
	t.Parallel()
	r, _, err := New(t.Context(), testConfig(t, simpleSet), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Fleet(); s.Error == "" || s.Converged || len(s.Instances) != 0 {
		t.Errorf("%+v", s)
	}
	if trail := r.AuditTrail(AuditFilter{}); len(trail) != 0 {
		t.Errorf("%+v", trail)
	}
}

func TestAuditIsSeenByTheWholeFleet(t *testing.T) {
	t.Parallel()
	fleet := startFleet(t, 2, testConfig(t, simpleSet))
	ann := Actor{Name: "ann", Role: RoleOperator, Address: "10.1.1.1:5000"}
	for _, e := range []AuditEntry{
		{Actor: ann, Operation: "setOverride", Target: "task t-1", Reason: "too loud", Before: "r1", After: "r1"},
		{Actor: Actor{Name: "bob"}, Operation: "endOverride", Result: AuditRefused, Error: "no such override"},
		{Actor: ann, Operation: "degrade", Detail: map[string]string{"count": "3"}},
	} {
		if err := fleet[0].Audit(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
	for _, r := range fleet {
		eventually(t, func() string {
			if n := len(r.AuditTrail(AuditFilter{})); n != 3 {
				return fmt.Sprint(n, " entries")
			}
			return ""
		})
		for _, c := range []struct {
			filter AuditFilter
			want   []string
		}{
			{AuditFilter{}, []string{"degrade done", "endOverride refused", "setOverride done"}},
			{AuditFilter{Who: "ann"}, []string{"degrade done", "setOverride done"}},
			{AuditFilter{Operation: "setOverride"}, []string{"setOverride done"}},
			{AuditFilter{Target: "task t-1"}, []string{"setOverride done"}},
			{AuditFilter{Since: time.Now().Add(time.Hour)}, nil},
		} {
			var got []string
			for _, e := range r.AuditTrail(c.filter) {
				got = append(got, e.Operation+" "+e.Result)
				if e.Instance != fleet[0].Name() || e.At.IsZero() || e.ID == "" {
					t.Errorf("entry %+v", e)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
			}
		}
	}
	for _, want := range []string{"operation=setOverride", `reason="too loud"`, "from=10.1.1.1:5000", "level=WARN msg=audit operation=endOverride"} {
		if !strings.Contains(fleet[0].log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
}

// Without a broker nothing waits: entries are in the log, and those that do not fit
// are counted.
func TestAuditNeverWaits(t *testing.T) {
	t.Parallel()
	r, _, err := New(t.Context(), testConfig(t, simpleSet), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxAuditWaiting {
		if err := r.Audit(t.Context(), AuditEntry{Operation: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Audit(t.Context(), AuditEntry{Operation: "one more"}); err == nil {
		t.Error("no error although it cannot wait")
	}
	if trail := r.AuditTrail(AuditFilter{}); len(trail) != maxAuditWaiting || trail[0].Operation != fmt.Sprint(maxAuditWaiting-1) {
		t.Errorf("%d entries, first %+v", len(trail), trail[0])
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Audit(ended, AuditEntry{}); errors.Is(err, context.Canceled) {
		t.Error("it waits for its context")
	}
}

// What one instance has put into labels, another can look up.
func TestShortIDsAreKnownInTheWholeFleet(t *testing.T) {
	t.Parallel()
	fleet := startFleet(t, 2, testConfig(t, simpleSet+`
	rewrite: short: schema.#ShortID & {match: metrics: ["*"], label: "vertex", into: "vertex", length: 8}`))
	fleet[0].publish(t, "flink.native", strings.Replace(flat("t-1", "m", "gauge", time.Now().UnixMilli(), "1"), "{", `{"labels":{"vertex":"a name that is much too long"},`, 1))
	var id string
	eventually(t, func() string {
		for _, r := range fleet {
			r.dictionary.mu.RLock()
			for known := range r.dictionary.values {
				id = known
			}
			r.dictionary.mu.RUnlock()
		}
		if id == "" {
			return "no instance has learnt an identifier"
		}
		return ""
	})
	for i, r := range fleet {
		eventually(t, func() string {
			if value, ok := r.ShortID(id); !ok || value != "a name that is much too long" {
				return fmt.Sprintf("instance %d: %q, %t", i, value, ok)
			}
			return ""
		})
	}
}
