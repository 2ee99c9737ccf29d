package cli

import (
	"net"
	"strings"
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

func TestDoctorBreaksLongLines(t *testing.T) {
	checks := []runtime.HealthCheck{{
		Area: runtime.AreaKafka, Outcome: runtime.CheckWarn, Name: "topic flink.native", Seen: "one partition of eight has a replica that is not in sync",
		Do: "look at the brokers, and at the disk of the one that lags behind the others",
	}}
	want := `kafka
  warn  topic flink.native: one
        partition of eight has a
        replica that is not in sync
        -> look at the brokers, and
           at the disk of the one
           that lags behind the
           others

0 ok, 1 to look at, 0 wrong, 0 skipped
`
	var b strings.Builder
	if err := printChecks(&b, checks, 36); err != nil || b.String() != want {
		t.Errorf("%v:\n%s", err, b.String())
	}
	b.Reset()
	if err := printChecks(&b, checks, 0); err != nil || strings.Count(b.String(), "\n") != 5 {
		t.Errorf("where lines may be long: %v:\n%s", err, b.String())
	}
	if got := hanging("averyveryverylongword and", 4, 10); got != "averyveryverylongword\n    and" {
		t.Errorf("a word that does not fit: %q", got)
	}
}

func TestTasksAreAColumnOfNumbers(t *testing.T) {
	var b strings.Builder
	list := []runtime.TaskInfo{{ID: "t-1", Series: 7, Samples: 1234.5}, {ID: "t-2", Series: 12345, Samples: 0.5}}
	if err := printTasks(&b, &questions{}, list); err != nil {
		t.Fatal(err)
	}
	want := `TASK  JOB  TEAM  STATE  SERIES  SAMPLES/S  SEEN
t-1   -    -     off         7     1234.5  -
t-2   -    -     off     12345        0.5  -
`
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}

func TestDoctorTriesTheAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		name, listen      string
		change            func(*runtime.Config)
		outcome, says, do string
	}{
		{"free", "127.0.0.1:0", nil, runtime.CheckOK, "can be listened at", ""},
		{"taken", taken.Addr().String(), nil, runtime.CheckWarn, "is in use", "--listen"},
		{"open to all", "0.0.0.0:0", nil, runtime.CheckFail, "nothing would check who asks", "mend what the message names"},
		{"no address", "here", nil, runtime.CheckFail, "not host:port", "mend what the message names"},
		{"no tokens", "127.0.0.1:0", func(c *runtime.Config) { c.Tokens = "/no/such/file" }, runtime.CheckFail, "/no/such/file", "mend what the message names"},
		{"no token", "127.0.0.1:0", func(c *runtime.Config) { c.ListenToken = "env://SLUICE_TEST_NO_SUCH" }, runtime.CheckFail, "SLUICE_TEST_NO_SUCH", "mend what the message names"},
	} {
		var cfg runtime.Config
		if cfg.Listen = tt.listen; tt.change != nil {
			tt.change(&cfg)
		}
		if c := listenCheck(cfg); c.Outcome != tt.outcome || !strings.Contains(c.Seen, tt.says) || !strings.Contains(c.Do, tt.do) {
			t.Errorf("%s: %+v, want %s: %q -> %q", tt.name, c, tt.outcome, tt.says, tt.do)
		}
	}
}
