package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// awaitPolicies waits until the standing of the policy set is as wanted.
func (r instance) awaitPolicies(t *testing.T, what string, as func(p *PolicyStatus) bool) (p PolicyStatus) {
	t.Helper()
	eventually(t, func() string {
		if p = r.PolicyStatus(); as(&p) {
			return ""
		}
		return fmt.Sprintf("%s: %+v\n%s", what, p, r.log)
	})
	return p
}

// A file that is saved is in force by itself; a wrong one is not, and says why.
func TestSaveIsLive(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	r := startInstance(t, cfg)
	now := time.Now().Truncate(time.Millisecond)
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", now.UnixMilli(), "1"))
	r.settled(t, false, "native", 1)
	before := r.Status().Revision

	rewriteSet(t, cfg, policySet(dropping("b")))
	p := r.awaitPolicies(t, "the new set", func(p *PolicyStatus) bool { return p.Revision != before && p.State == PolicyProbation })
	if len(p.Waiting) > 0 || p.Origin.Kind != OriginDirectory || p.Origin.Place != cfg.Policies || p.Refused != nil {
		t.Errorf("%+v", p)
	}
	good := p.Revision

	rewriteSet(t, cfg, policySet(strings.Replace(dropping("b"), `tier: "tenant"`, `tier: "boss"`, 1)))
	p = r.awaitPolicies(t, "the wrong set", func(p *PolicyStatus) bool { return p.Refused != nil })
	if p.Revision != good || !strings.Contains(p.Refused.Error, "tier must be one of") || len(p.Refused.Findings) == 0 || p.Refused.Findings[0].Pos.Line == 0 {
		t.Errorf("%+v", p.Refused)
	}
	if r.Ready() != nil {
		t.Errorf("a wrong file makes the instance unready: %v", r.Ready())
	}

	rewriteSet(t, cfg, policySet(dropping("c")))
	p = r.awaitPolicies(t, "the right set", func(p *PolicyStatus) bool { return p.Refused == nil })
	if p.Revision == good {
		t.Errorf("%+v", p)
	}
}

// A set is good once it has run for the time of its probation, and a restart falls
// back on it when the directory has none that can run.
func TestLastGood(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.DataDir, cfg.Probation.For = t.TempDir(), "50ms"
	first := t.Run("passes", func(t *testing.T) {
		r := startInstance(t, cfg)
		r.awaitPolicies(t, "good", func(p *PolicyStatus) bool { return p.State == PolicyGood && p.LastGood == p.Revision })
	})
	if !first {
		return
	}
	for name, spoil := range map[string]func(t *testing.T){
		"a set that is refused": func(t *testing.T) { rewriteSet(t, cfg, "package policies\npolicy: {") },
		"no directory": func(t *testing.T) {
			if err := os.RemoveAll(cfg.Policies); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			spoil(t)
			r := startInstance(t, cfg)
			p := r.PolicyStatus()
			if !p.Fallback || p.Refused == nil || p.State != PolicyGood || !strings.Contains(r.log.String(), "the last good policies run") {
				t.Errorf("%+v\n%s", p, r.log)
			}
			if err := os.MkdirAll(cfg.Policies, 0o700); err != nil {
				t.Fatal(err)
			}
			rewriteSet(t, cfg, policySet(dropping("b")))
			r.awaitPolicies(t, "the mended set", func(q *PolicyStatus) bool {
				return !q.Fallback && q.Refused == nil && q.Revision != p.Revision && q.State == PolicyGood
			})
			rewriteSet(t, cfg, policySet(dropping("a")))
			r.awaitPolicies(t, "the first set", func(q *PolicyStatus) bool { return q.Revision == p.Revision && q.State == PolicyGood })
		})
	}
	t.Run("without a good one it is refused", func(t *testing.T) {
		cfg.DataDir = t.TempDir()
		if err := os.RemoveAll(cfg.Policies); err != nil {
			t.Fatal(err)
		}
		if _, _, err := New(context.Background(), cfg, Options{}); !errors.Is(err, ErrConfig) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("one that cannot be read is none", func(t *testing.T) {
		if err := keepFile(filepath.Join(cfg.DataDir, "policies", "last-good.json"), []byte("{torn")); err != nil {
			t.Fatal(err)
		}
		out := &logged{}
		_, _, err := New(context.Background(), cfg, Options{Log: slog.New(slog.NewTextHandler(out, nil))})
		if !errors.Is(err, ErrConfig) || !strings.Contains(out.String(), "cannot be read") {
			t.Errorf("error %v\n%s", err, out)
		}
	})
}

// nothingPasses has probation last, of the sets that come from now on.
func (r instance) nothingPasses() {
	r.policies.mu.Lock()
	defer r.policies.mu.Unlock()
	r.policies.bounds.length = time.Hour
}

// A set that takes nearly everything away is taken back, and stays away until the
// source has another.
func TestRollback(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.Probation.For = "100ms"
	r := startInstance(t, cfg)
	seq := time.Now().Add(-time.Minute).UnixMilli()
	send := func(n int) {
		var lines []string
		for range n {
			seq++
			lines = append(lines, flat("t-1", "b", "gauge", seq, "1"))
		}
		r.publish(t, "flink.native", lines...)
	}
	send(2 * enough)
	r.settled(t, false, "native", 2*enough)
	good := r.awaitPolicies(t, "good", func(p *PolicyStatus) bool { return p.State == PolicyGood })
	r.nothingPasses()
	rewriteSet(t, cfg, policySet(dropping("b")))
	bad := r.awaitPolicies(t, "bad", func(p *PolicyStatus) bool { return p.Revision != good.Revision })
	send(2 * enough)
	p := r.awaitPolicies(t, "rolled back", func(p *PolicyStatus) bool { return p.Refused != nil })
	if p.Revision != good.Revision || p.Refused.Revision != bad.Revision || !strings.Contains(p.Refused.Error, "samples go on") ||
		p.Origin.Kind != OriginRollback || p.Rollbacks != 1 || p.State != PolicyGood {
		t.Errorf("%+v, refused %+v", p, p.Refused)
	}
	r.takeUp(context.Background())
	if p := r.PolicyStatus(); p.Revision != good.Revision {
		t.Errorf("the set that was rolled back is in force again: %+v", p)
	}
	if _, err := r.Reload(context.Background()); err != nil { // on demand it is tried again
		t.Fatal(err)
	}
	if p := r.PolicyStatus(); p.Revision != bad.Revision || p.Refused != nil {
		t.Errorf("%+v", p)
	}
}

func TestBoundsOfProbation(t *testing.T) {
	b := bounds{deadLetters: 0.1, lost: 0.9, failed: 0.5, lag: 300}
	base := measures{records: 5000, in: 5000, on: 5000, partitions: 4, lag: 1}
	for name, tt := range map[string]struct {
		before float64
		now    measures
		want   string
	}{
		"nothing happened":        {1, base, ""},
		"too few to judge":        {1, measures{records: 5900, letters: 900, in: 5900, on: 5000, partitions: 4, lag: 1}, ""},
		"dead letters":            {1, measures{records: 7000, letters: 400, in: 7000, on: 6600, partitions: 4, lag: 1}, "dead letters"},
		"some are dropped":        {1, measures{records: 7000, in: 7000, on: 6000, partitions: 4, lag: 1}, ""},
		"nearly all are dropped":  {1, measures{records: 7000, in: 7000, on: 5100, partitions: 4, lag: 1}, "samples go on"},
		"few went on before, too": {0.06, measures{records: 7000, in: 7000, on: 5100, partitions: 4, lag: 1}, ""},
		"before is not known":     {-1, measures{records: 7000, in: 7000, on: 5000, partitions: 4, lag: 1}, ""},
		"one failed":              {1, measures{records: 5000, in: 5000, on: 5000, partitions: 4, failed: 1, lag: 1}, ""},
		"most failed":             {1, measures{records: 5000, in: 5000, on: 5000, partitions: 4, failed: 3, lag: 1}, "3 of 4 partitions"},
		"reports are old":         {1, measures{records: 5000, in: 5000, on: 5000, partitions: 4, lag: 301}, "301 s old"},
	} {
		tr := trial{from: base, before: tt.before}
		if got := tr.left(&b, tt.now); got != tt.want && (tt.want == "" || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	late := trial{from: measures{lag: 400}}
	if got := late.left(&b, measures{lag: 500}); got != "" {
		t.Errorf("what was late before: %q", got)
	}
	none := bounds{deadLetters: 1, lost: 1, failed: 1, lag: 1e9}
	tr := trial{from: base, before: 1}
	if got := tr.left(&none, measures{records: 9000, letters: 4000, in: 9000, on: 5000, partitions: 4, failed: 4}); got != "" {
		t.Errorf("without bounds: %q", got)
	}
}

// An instance that is killed while a set is on probation comes up with the last
// good one.
func TestKillDuringProbation(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, dropping("a"))
	cfg.DataDir, cfg.Probation.For = t.TempDir(), "100ms"
	file := func(name string, into any) bool {
		text, err := os.ReadFile(filepath.Join(cfg.DataDir, "policies", name))
		return err == nil && json.Unmarshal(text, into) == nil
	}
	kill := startKilled(t, cfg)
	var good keptSet
	eventually(t, func() string {
		if file("last-good.json", &good) {
			return ""
		}
		return "no good set is kept"
	})
	kill()

	cfg.Probation.For = "1h" // the next set is on probation when the kill comes
	kill = startKilled(t, cfg)
	rewriteSet(t, cfg, policySet(dropping("b")))
	var trial keptTrial
	eventually(t, func() string {
		if file("on-probation.json", &trial) {
			return ""
		}
		return "no set is on probation"
	})
	kill()

	r := startInstance(t, cfg)
	p := r.PolicyStatus()
	if p.Revision != good.Bundle.Digest || !p.Fallback || p.Refused == nil || p.Refused.Revision != trial.Revision || trial.Revision == p.Revision {
		t.Errorf("%+v, good %s, on probation %s", p, good.Bundle.Digest, trial.Revision)
	}
	if report, err := r.Reload(context.Background()); err != nil || diag.Refused(report.Findings) {
		t.Fatal(err, report.Findings)
	}
	if p := r.PolicyStatus(); p.Revision != trial.Revision || p.Fallback {
		t.Errorf("after a reload: %+v", p)
	}
}

// Under a hundred changes every record carries one revision, that of a set which
// was in force, and none is lost.
func TestEveryRecordHasOneRevision(t *testing.T) {
	r := startInstance(t, testConfig(t, simpleSet))
	revisions := map[string]bool{r.Status().Revision: true}
	o := &oracle{base: time.Now().Add(-10 * time.Minute).UnixMilli(), published: map[string]string{}}
	stop, published := make(chan struct{}), make(chan error, 1)
	p := publisher(t, r.Status().Brokers)
	go func() { published <- o.run(p, stop) }()
	for i := range 100 {
		set := loadedSetOf(t, policySet(simpleSet+fmt.Sprintf(`
	control: "no-%d": schema.#Drop & {description: "for the test", reason: "for the test", tier: "tenant", match: metrics: ["x%[1]d"]}`, i)))
		r.reloading.Lock()
		late := r.putInForce(context.Background(), &set, nil)
		r.reloading.Unlock()
		if len(late) > 0 {
			t.Fatalf("change %d: late %v", i, late)
		}
		revisions[set.bundle.Digest] = true
	}
	close(stop)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	in := r.settled(t, false, "native", uint64(len(o.published)))
	if in.Records != uint64(len(o.published)) || in.Dispositions["out"] != int64(len(o.published)) {
		t.Errorf("%d published, %+v", len(o.published), in)
	}
	if len(o.published) < 100 {
		t.Errorf("only %d samples", len(o.published))
	}
	if twice := o.delivered(t, r.Status().Brokers, "sluice.processed"); twice != 0 {
		t.Errorf("%d samples are there twice", twice)
	}
	seen := map[string]bool{}
	for _, rec := range everything(t, r.Status().Brokers, "sluice.processed") {
		n := slices.DeleteFunc(slices.Clone(rec.Headers), func(h kgo.RecordHeader) bool { return h.Key != "sluice-rev" })
		if len(n) != 1 || !revisions[string(n[0].Value)] {
			t.Fatalf("revisions %v of a record", n)
		}
		seen[string(n[0].Value)] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d revisions wrote anything", len(seen))
	}
}

func loadedSetOf(t *testing.T, text string) loadedSet {
	t.Helper()
	set, err := loadSet(context.Background(), os.DirFS(writeSet(t, text)), Loading{}, "")
	if err != nil || set.report.Refused() {
		t.Fatal(err, set.report.Findings)
	}
	return set
}
