package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/host"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// healthy are probes of a machine that lacks nothing.
func healthy() probes {
	return probes{
		sync:  (*os.File).Sync,
		space: func(string) (host.Space, error) { return host.Space{Size: 100 << 30, Available: 50 << 30}, nil },
		files: func() (uint64, bool) { return 65536, true }, memory: func() float64 { return 8 << 30 },
	}
}

// examined is a check of doctor: what is wrong with configuration or machine, and what
// is told of it.
type examined struct {
	name                           string
	config                         func(*Config)
	probe                          func(*probes)
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
	if tt.probe != nil {
		tt.probe(&p)
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
	space := func(available uint64) func(*probes) {
		return func(p *probes) {
			p.space = func(string) (host.Space, error) { return host.Space{Size: 100 << 30, Available: available}, nil }
		}
	}
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
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(ill.Close)
	bearer := func(ref string) func(*Config) {
		return func(c *Config) {
			c.Policies = writeSet(t, policySet(simpleSet+fmt.Sprintf("\n\tsink: away: {type: \"remote-write\", url: \"https://example.com/write\", bearer: %q}\n", ref)))
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
		{"nothing", nil, nil, AreaSluice, "policies", CheckOK, "right", ""},
		{"a wrong set", func(c *Config) { c.Policies = writeSet(t, policySet("\tstrem: {}")) }, nil, AreaSluice, "policies", CheckFail, "refused", "sluice check"},
		{"no directory", func(c *Config) { c.DataDir = "" }, nil, AreaMachine, "data directory", CheckWarn, "none", "--data-dir"},
		{"a directory that cannot be", func(c *Config) { c.DataDir = filepath.Join(t.TempDir(), "no", "such", "one") }, nil, AreaMachine, "data directory", CheckFail, "no such", "--data-dir"},
		{"a full disk", nil, space(0), AreaMachine, "free space", CheckFail, "full", "make room"},
		{"a disk nearly full", nil, space(5 << 30), AreaMachine, "free space", CheckWarn, "5 GiB of 100 GiB", "make room"},
		{"room", nil, space(50 << 30), AreaMachine, "free space", CheckOK, "50 GiB of 100 GiB", ""},
		{"few files", nil, func(p *probes) { p.files = func() (uint64, bool) { return 256, true } }, AreaMachine, "open files", CheckWarn, "256", "ulimit -n"},
		{"no limit of memory", nil, func(p *probes) { p.memory = math.NaN }, AreaMachine, "memory", CheckWarn, "no limit", "GOMEMLIMIT"},
		{"a rule that ends", ends(10), nil, AreaSluice, "rules", CheckWarn, "/soon on ", "expires"},
		{"no rule that ends", nil, nil, AreaSluice, "rules", CheckOK, "none", ""},
		{"nothing kept", nil, nil, AreaSluice, "last good policies", CheckOK, "none yet", ""},
		{"kept and torn", keep("policies/last-good.json"), nil, AreaSluice, "last good policies", CheckWarn, "cannot be used", "written anew"},
		{"a torn block", keep("store/01A/meta.json"), nil, AreaSluice, "store", CheckFail, "01A", "move the block away"},
		{"a receiver that is forbidden", to(receiver.URL), nil, AreaSinks, "sink away", CheckFail, "loopback", "--egress-allow"},
		{"a receiver", func(c *Config) { to(receiver.URL)(c); c.EgressAllow = []string{"127.0.0.0/8"} }, nil, AreaSinks, "sink away", CheckOK, "answers", ""},
		{"no receiver", func(c *Config) { to("http://127.0.0.1:1/write")(c); c.EgressAllow = []string{"127.0.0.0/8"} }, nil, AreaSinks, "sink away", CheckFail, "refused", "check its url"},
		{"a setting that cannot be", func(c *Config) { c.Policies = "git+ftp://host/x" }, nil, AreaSluice, "policies", CheckFail, "git+ftp", "mend what the message names"},
		{"a set with findings", ends(-10), nil, AreaSluice, "policies", CheckWarn, "right, with 1 finding", "sluice check"},
		{"a disk that takes nothing", nil, func(p *probes) { p.sync = func(*os.File) error { return errors.New("no space left") } }, AreaMachine, "data directory", CheckFail, "no space", "is the disk full"},
		{"a slow disk", nil, func(p *probes) { p.sync = func(*os.File) error { time.Sleep(slowSync + time.Millisecond); return nil } }, AreaMachine, "data directory", CheckWarn, "on the disk after", "faster disk"},
		{"no inodes", nil, func(p *probes) {
			p.space = func(string) (host.Space, error) {
				return host.Space{Size: 100 << 30, Available: 50 << 30, Files: 1000}, nil
			}
		}, AreaMachine, "free space", CheckFail, "no more files", "remove files"},
		{"a disk that cannot be measured", nil, func(p *probes) {
			p.space = func(string) (host.Space, error) { return host.Space{}, errors.New("not here") }
		}, AreaMachine, "free space", CheckSkip, "not here", ""},
		{"a disk without a size", nil, func(p *probes) { p.space = func(string) (host.Space, error) { return host.Space{}, nil } }, AreaMachine, "free space", CheckSkip, "does not tell", ""},
		{"no limit of files", nil, func(p *probes) { p.files = func() (uint64, bool) { return 0, false } }, AreaMachine, "open files", CheckSkip, "no such limit", ""},
		{"little memory", nil, func(p *probes) { p.memory = func() float64 { return 128 << 20 } }, AreaMachine, "memory", CheckWarn, "128 MiB", "256 MiB"},
		{"a set that crashed", crashed, nil, AreaSluice, "last good policies", CheckWarn, "is on probation", "reload to try again"},
		{"a receiver without its token", func(c *Config) { bearer("env://SLUICE_TEST_NO_SUCH")(c) }, nil, AreaSinks, "sink away", CheckFail, "SLUICE_TEST_NO_SUCH", "set what the reference names"},
		{"networks that are none", func(c *Config) { c.EgressAllow = []string{"everywhere"} }, nil, AreaSinks, "egress", CheckFail, "everywhere", "--egress-allow"},
		{"a receiver that is ill", func(c *Config) { to(ill.URL)(c); c.EgressAllow = []string{"127.0.0.0/8"} }, nil, AreaSinks, "sink away", CheckWarn, "503", "whether the receiver is well"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.tells(t)
		})
	}
}

// Rules of every kind end.
func TestDoctorKnowsAllRulesThatEnd(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	soon, late, past := policy.Ordered{Expires: "2026-05-10"}, policy.Ordered{Expires: "2026-06-10"}, policy.Ordered{Expires: "2026-04-20"}
	team := policy.Team{
		Name:      "a",
		Control:   map[string]policy.Control{"c": {Ordered: soon}, "late": {Ordered: late}, "past": {Ordered: past}, "never": {}},
		Degrade:   map[string]policy.Degrade{"d": {Ordered: soon}},
		Rewrite:   map[string]policy.Rewrite{"r": {Ordered: soon}},
		Transform: map[string]policy.Transform{"t": {Ordered: soon}},
		Aggregate: map[string]policy.Aggregate{"g": {Ordered: soon}},
		Budget:    map[string]policy.Budget{"b": {Ordered: soon}},
	}
	d := doctor{r: &Runtime{}}
	d.r.topology.Store(&loadedSet{bundle: &policy.Bundle{Set: policy.Set{Teams: []policy.Team{team}}}})
	var f findings
	d.expiring(&f, now)
	want := "6 rules within 14 days of the end: a/b on 2026-05-10, a/c on 2026-05-10, a/d on 2026-05-10, a/g on 2026-05-10, a/r on 2026-05-10 and 1 more"
	if len(f.list) != 1 || f.list[0].Seen != want || f.list[0].Outcome != CheckWarn {
		t.Errorf("%+v, want %s", f.list, want)
	}
}
