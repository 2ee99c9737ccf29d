package cli

import (
	"testing"

	"github.com/sluice-metrics/sluice/runtime"
)

func TestDoctorExitCodes(t *testing.T) {
	check := func(area, outcome string) runtime.HealthCheck {
		return runtime.HealthCheck{Area: area, Outcome: outcome}
	}
	for _, tt := range []struct {
		name   string
		checks []runtime.HealthCheck
		want   int
	}{
		{"nothing", nil, exitOK},
		{"warnings", []runtime.HealthCheck{check(runtime.AreaSluice, runtime.CheckWarn), check(runtime.AreaKafka, runtime.CheckSkip)}, exitOK},
		{"surroundings", []runtime.HealthCheck{check(runtime.AreaSluice, runtime.CheckOK), check(runtime.AreaMachine, runtime.CheckFail)}, exitEnv},
		{"sluice", []runtime.HealthCheck{check(runtime.AreaSluice, runtime.CheckFail)}, exitFault},
		{"both", []runtime.HealthCheck{check(runtime.AreaKafka, runtime.CheckFail), check(runtime.AreaSluice, runtime.CheckFail)}, exitFault},
	} {
		if got := checkCode(tt.checks); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
