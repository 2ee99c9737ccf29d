package runtime

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A set whose sinks could not be opened, because the brokers did not let them, is taken
// up as soon as they do: from a directory that nobody touches again, and by an instance
// that somebody else's push has come to.
func TestPoliciesAreTakenUpAgain(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "flink.native"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	more := withSinks("\n\tsink: page: {type: \"scrape\", path: \"/tasks\"}\n\tsink: more: {type: \"scrape\", path: \"/more\"}")
	for name, change := range map[string]func(t *testing.T, cfg Config) instance{
		"directory": func(t *testing.T, cfg Config) instance {
			cfg.Policies = testConfig(t, simpleSet).Policies
			r := startInstance(t, cfg)
			rewriteSet(t, cfg, policySet(more))
			return r
		},
		"topic": func(t *testing.T, cfg Config) instance {
			cfg.Policies = sourceTopic
			by := cfg
			by.Group += "-elsewhere" // whose sinks the brokers let
			first := startFollowing(t, by)
			second := startInstance(t, cfg)
			if _, err := first.Apply(t.Context(), pusher, pushing(more)); err != nil {
				t.Fatal(err)
			}
			return second
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t, simpleSet)
			cfg.Brokers, cfg.Group = c.ListenAddrs(), name
			deny := c.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: name + "." + sinkGroup("more"), Err: kerr.GroupAuthorizationFailed, Count: -1,
			})
			r := change(t, cfg)
			p := r.awaitPolicies(t, "refused", func(p *PolicyStatus) bool { return p.Refused != nil })
			deny.Remove()
			r.awaitPolicies(t, "taken up", func(now *PolicyStatus) bool { return now.Revision != p.Revision && now.Refused == nil })
		})
	}
}

// What was pushed last and was on probation when the process ended without a word is not
// tried again by itself: it may be what ended it.
func TestAPushThatWasOnProbationAtACrash(t *testing.T) {
	t.Parallel()
	cfg := topicConfig(t)
	cfg.Brokers, cfg.DataDir = roomyBroker(t), t.TempDir()
	note := filepath.Join(cfg.DataDir, "policies", "on-probation.json")
	var good, pushed string
	var crash []byte
	t.Run("until the crash", func(t *testing.T) {
		short := cfg
		short.Probation.For = "100ms"
		r := startFollowing(t, short)
		good = r.awaitPolicies(t, "good", func(p *PolicyStatus) bool { return p.State == PolicyGood }).Revision
		r.nothingPasses()
		out, err := r.Apply(t.Context(), pusher, push(t, r, "b"))
		if err != nil {
			t.Fatal(err)
		}
		if pushed = out.Revision; pushed == good {
			t.Fatal("nothing was pushed")
		}
		if crash, err = os.ReadFile(note); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.WriteFile(note, crash, 0o600); err != nil { // which an orderly end has removed
		t.Fatal(err)
	}
	r := startInstance(t, cfg)
	if p := r.PolicyStatus(); p.Revision != good || !p.Fallback || p.Refused == nil || p.Refused.Revision != pushed {
		t.Errorf("%+v, good %s, pushed %s", p, good, pushed)
	}
	if err := r.takeUp(t.Context()); err != nil || r.Revision() != good {
		t.Errorf("it runs again: %s, %v", r.Revision(), err)
	}
	if report, err := r.Reload(t.Context()); err != nil || report.Refused() {
		t.Fatal(err, report.Findings)
	}
	if p := r.PolicyStatus(); p.Revision != pushed || p.Fallback {
		t.Errorf("after a reload: %+v", p)
	}
}
