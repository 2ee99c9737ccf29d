package cli

import (
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime"
)

// A gate that looks at the traffic of one instance of several is told as that.
func TestPlanSaysWhatTheFleetReadsBesides(t *testing.T) {
	fleet := runtime.FleetStatus{Instances: []runtime.FleetInstance{
		{Name: "a", This: true}, {Name: "b", State: runtime.StateStale}, {Name: "c", Roles: []string{"sinks"}},
	}}
	if got := fleetNotes(&fleet); got != nil {
		t.Errorf("nobody else reads, but %q", got)
	}
	fleet.Instances = append(fleet.Instances, runtime.FleetInstance{Name: "d", State: runtime.StateReady}, runtime.FleetInstance{Name: "e", Roles: []string{"hop1"}})
	if got := fleetNotes(&fleet); len(got) != 1 || !strings.Contains(got[0], "what 2 others of the fleet read is not in it") {
		t.Errorf("notes %q", got)
	}
}
