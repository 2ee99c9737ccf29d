package runtime

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-metrics/sluice/runtime/internal/host"
)

// healthy are probes of a machine that lacks nothing.
func healthy() probes {
	return probes{
		space: func(string) (host.Space, error) { return host.Space{Size: 100 << 30, Available: 50 << 30}, nil },
		files: func() (uint64, bool) { return 65536, true }, memory: func() float64 { return 8 << 30 },
	}
}

// cluster is a broker with users and rights, and the topics that simpleSet uses.
func cluster(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

func TestDoctorTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	running := startInstance(t, testConfig(t, simpleSet)).Status().Brokers
	mayRead := kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: controlTopic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true}
	guarded := []string{cluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(3, controlTopic),
		kfake.User("PLAIN", "ann", "a", mayRead))}
	as := func(password string) func(*Config) {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		return func(c *Config) {
			c.Brokers, c.SASL = guarded, &SASL{Mechanism: "plain", User: "ann", Password: "file://" + file}
		}
	}
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
	ending := fmt.Sprintf("\n\tcontrol: soon: schema.#Drop & {description: \"for the test\", reason: \"for the test\", tier: \"tenant\", match: metrics: [\"x\"], expires: %q}\n", time.Now().AddDate(0, 0, 10).Format(time.DateOnly))
	for _, tt := range []struct {
		name                       string
		config                     func(*Config)
		probe                      func(*probes)
		area, check, outcome, says string
	}{
		{"nothing", nil, nil, AreaSluice, "policies", CheckOK, "right"},
		{"a wrong set", func(c *Config) { c.Policies = writeSet(t, policySet("\tstrem: {}")) }, nil, AreaSluice, "policies", CheckFail, "refused"},
		{"no directory", func(c *Config) { c.DataDir = "" }, nil, AreaMachine, "data directory", CheckWarn, "none"},
		{"a directory that cannot be", func(c *Config) { c.DataDir = filepath.Join(t.TempDir(), "no", "such", "one") }, nil, AreaMachine, "data directory", CheckFail, "no such"},
		{"a full disk", nil, space(0), AreaMachine, "free space", CheckFail, "full"},
		{"a disk nearly full", nil, space(5 << 30), AreaMachine, "free space", CheckWarn, "5 GiB of 100 GiB"},
		{"room", nil, space(50 << 30), AreaMachine, "free space", CheckOK, "50 GiB of 100 GiB"},
		{"few files", nil, func(p *probes) { p.files = func() (uint64, bool) { return 256, true } }, AreaMachine, "open files", CheckWarn, "256"},
		{"no limit of memory", nil, func(p *probes) { p.memory = math.NaN }, AreaMachine, "memory", CheckWarn, "no limit"},
		{"a broker inside", nil, nil, AreaKafka, "broker", CheckOK, "inside"},
		{"a closed port", func(c *Config) { c.Brokers = []string{"127.0.0.1:1"} }, nil, AreaKafka, "broker", CheckFail, "refused"},
		{"a wrong password", as("x"), nil, AreaKafka, "broker", CheckFail, `do not let user "ann" in`},
		{"topics that may not be seen", as("a"), nil, AreaKafka, "topics", CheckFail, "may not see"},
		{"a right that lacks", as("a"), nil, AreaKafka, "rights", CheckFail, "WRITE on " + controlTopic},
		{"a control topic of three", as("a"), nil, AreaKafka, "topic " + controlTopic, CheckFail, "3 partitions"},
		{"groups that may not be seen", as("a"), nil, AreaKafka, "group sluice.sink.store", CheckFail, "may not describe"},
		{"an instance that runs", func(c *Config) { c.Brokers = running }, nil, AreaKafka, "rights", CheckOK, "may read"},
		{"missing topics", func(c *Config) { c.Brokers = []string{cluster(t)} }, nil, AreaKafka, "topics", CheckWarn, "not there: "},
		{"a rule that ends", func(c *Config) { c.Policies = writeSet(t, policySet(simpleSet+ending)) }, nil, AreaSluice, "rules", CheckWarn, "/soon on "},
		{"no rule that ends", nil, nil, AreaSluice, "rules", CheckOK, "none"},
		{"nothing kept", nil, nil, AreaSluice, "last good policies", CheckOK, "none yet"},
		{"kept and torn", keep("policies/last-good.json"), nil, AreaSluice, "last good policies", CheckWarn, "cannot be used"},
		{"a torn block", keep("store/01A/meta.json"), nil, AreaSluice, "store", CheckFail, "01A"},
		{"a receiver that is forbidden", to(receiver.URL), nil, AreaSinks, "sink away", CheckFail, "loopback"},
		{"a receiver", func(c *Config) { to(receiver.URL)(c); c.EgressAllow = []string{"127.0.0.0/8"} }, nil, AreaSinks, "sink away", CheckOK, "answers"},
		{"no receiver", func(c *Config) { to("http://127.0.0.1:1/write")(c); c.EgressAllow = []string{"127.0.0.0/8"} }, nil, AreaSinks, "sink away", CheckFail, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
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
				found = found || c.Area == tt.area && c.Name == tt.check && c.Outcome == tt.outcome && strings.Contains(c.Seen, tt.says)
			}
			if !found {
				t.Errorf("no %s %s: %s with %q in\n%s", tt.area, tt.check, tt.outcome, tt.says, strings.ReplaceAll(fmt.Sprintf("%+v", checks), "} {", "}\n{"))
			}
			if left, _ := os.ReadDir(cfg.DataDir); err == nil && len(left) != len(before) {
				t.Errorf("something stays: %v", left)
			}
		})
	}
}
