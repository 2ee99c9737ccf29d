package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/doctor"
	"github.com/sluice-metrics/sluice/runtime/internal/host"
)

// healthy are probes of a machine that lacks nothing.
func healthy() doctor.Probes {
	return doctor.Probes{
		Sync:  (*os.File).Sync,
		Space: func(string) (host.Space, error) { return host.Space{Size: 100 << 30, Available: 50 << 30}, nil },
		Files: func() (uint64, bool) { return 65536, true }, Memory: func() float64 { return 8 << 30 },
	}
}

// examined is a check of doctor: what is wrong with configuration or machine, and what
// is told of it.
type examined struct {
	name                           string
	config                         func(*Config)
	area, check, outcome, says, do string
}

// tells examines, and looks for what is to be told. What is wrong comes with what to do,
// whatever it is, and nothing stays.
func (tt *examined) tells(t *testing.T) {
	t.Helper()
	cfg, p := testConfig(t, simpleSet), healthy()
	if cfg.DataDir = t.TempDir(); tt.config != nil {
		tt.config(&cfg)
	}
	before, err := os.ReadDir(cfg.DataDir)
	checks := examine(t.Context(), cfg, Options{}, p)
	found := false
	for _, c := range checks {
		if c.Seen == "" || (c.Outcome == CheckFail || c.Outcome == CheckWarn) && c.Do == "" {
			t.Errorf("%+v says too little", c)
		}
		found = found || c.Area == tt.area && c.Name == tt.check && c.Outcome == tt.outcome && strings.Contains(c.Seen, tt.says) && strings.Contains(c.Do, tt.do)
	}
	if !found {
		t.Errorf("no %s %s: %s with %q -> %q in\n%s", tt.area, tt.check, tt.outcome, tt.says, tt.do, strings.ReplaceAll(fmt.Sprintf("%+v", checks), "} {", "}\n{"))
	}
	if left, _ := os.ReadDir(cfg.DataDir); err == nil && len(left) != len(before) {
		t.Errorf("something stays: %v", left)
	}
}

func TestDoctorTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) }))
	t.Cleanup(receiver.Close)
	to := func(url string) func(*Config) {
		return func(c *Config) {
			c.Policies = writeSet(t, policySet(simpleSet+fmt.Sprintf("\n\tsink: away: {type: \"remote-write\", url: %q}\n", url)))
		}
	}
	keep := func(name string) func(*Config) {
		return func(c *Config) {
			at := filepath.Join(c.DataDir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte("torn"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	crashed := func(c *Config) {
		set, err := loadSet(t.Context(), os.DirFS(c.Policies), Loading{}, c.Policies)
		if err != nil || set.bundle == nil {
			t.Fatalf("%+v, %v", set.report, err)
		}
		k := newKeeper(c.DataDir, Loading{}, slog.New(slog.DiscardHandler))
		if err := k.save(&set); err != nil {
			t.Fatal(err)
		}
		k.beginTrial("0123456789abcdef")
	}
	ends := func(in int) func(*Config) {
		rule := fmt.Sprintf("\n\tcontrol: soon: schema.#Drop & {description: \"for the test\", reason: \"for the test\", tier: \"tenant\", match: metrics: [\"x\"], expires: %q}\n",
			time.Now().AddDate(0, 0, in).Format(time.DateOnly))
		return func(c *Config) { c.Policies = writeSet(t, policySet(simpleSet+rule)) }
	}
	for _, tt := range []examined{
		{"nothing", nil, AreaSluice, "policies", CheckOK, "right", ""},
		{"a wrong set", func(c *Config) { c.Policies = writeSet(t, policySet("\tstrem: {}")) }, AreaSluice, "policies", CheckFail, "refused", "sluice check"},
		{"no directory", func(c *Config) { c.DataDir = "" }, AreaMachine, "data directory", CheckWarn, "none", "--data-dir"},
		{"nothing kept", nil, AreaSluice, "last good policies", CheckOK, "none yet", ""},
		{"kept and torn", keep("policies/last-good.json"), AreaSluice, "last good policies", CheckWarn, "cannot be used", "written anew"},
		{"a receiver", func(c *Config) { to(receiver.URL)(c); c.EgressAllow = []string{"127.0.0.0/8"} }, AreaSinks, "sink away", CheckOK, "answers", ""},
		{"a setting that cannot be", func(c *Config) { c.Policies = "git+ftp://host/x" }, AreaSluice, "policies", CheckFail, "git+ftp", "mend what the message names"},
		{"a set with findings", ends(-10), AreaSluice, "policies", CheckWarn, "right, with 1 finding", "sluice check"},
		{"a set that crashed", crashed, AreaSluice, "last good policies", CheckWarn, "is on probation", "reload to try again"},
		{"networks that are none", func(c *Config) { c.EgressAllow = []string{"everywhere"} }, AreaSinks, "egress", CheckFail, "everywhere", "--egress-allow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.tells(t)
		})
	}
}
