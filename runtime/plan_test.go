package runtime

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// planSet is a policy set of one team.
func planSet(rules string) PolicySource {
	return PolicySource{Name: "set", Prefix: "dir", Files: fstest.MapFS{"policy.cue": {Data: []byte(`package policies

import "github.com/sluice-metrics/sluice/schema"

policy: schema.#Policy & {
	team: "platform"
` + rules + "\n}\n")}}}
}

const (
	dropDebug = `control: "debug": schema.#Drop & {match: metrics: ["*_debug"], reason: "for developers only"}`
	aRecord   = `{"torrent_task_id":"t-1","report_timestamp":1763800000000,"metric":"a_debug","type":"gauge","value":1,"labels":{"host":"h"}}` + "\n"
)

func planOf(t *testing.T, base, next PolicySource, traffic string) *Plan {
	t.Helper()
	p, err := NewPlan(t.Context(), PlanOptions{Base: base, New: next, Traffic: strings.NewReader(traffic), TrafficName: "here"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanDigest(t *testing.T) {
	empty, drop := planSet(""), planSet(dropDebug)
	of := func(base, next PolicySource, traffic string) string { return planOf(t, base, next, traffic).Digest }
	first := of(empty, drop, aRecord)
	if again := of(empty, drop, aRecord); again != first {
		t.Errorf("the same plan has the digests %s and %s", first, again)
	}
	elsewhere := drop
	elsewhere.Prefix = "checkout/dir"
	if there := of(empty, elsewhere, aRecord); there != first {
		t.Errorf("from another directory the plan has the digest %s, not %s", there, first)
	}
	for doc, other := range map[string]string{
		"another base":    of(planSet(`description: "x y z"`), drop, aRecord),
		"another set":     of(empty, planSet(strings.Replace(dropDebug, "only", "all", 1)), aRecord),
		"another traffic": of(empty, drop, aRecord+aRecord),
	} {
		if other == first || len(other) != 64 {
			t.Errorf("%s: digest %s", doc, other)
		}
	}
}

func TestPlanGates(t *testing.T) {
	five := 0.05
	gates := func(base, next PolicySource) (out []string) {
		p, err := NewPlan(t.Context(), PlanOptions{Base: base, New: next, Traffic: strings.NewReader(aRecord), MaxDropped: &five, MaxNewSeries: &five})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range p.Gates {
			out = append(out, fmt.Sprintf("%s %g %t", g.Name, g.Is, g.Passed))
		}
		return append(out, fmt.Sprint(p.Passed()))
	}
	if d := cmp.Diff([]string{"max-dropped 1 false", "max-new-series 0 true", "false"}, gates(planSet(""), planSet(dropDebug))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"max-dropped 0 true", "max-new-series 1 false", "false"}, gates(planSet(dropDebug), planSet(""))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"max-dropped 0 true", "max-new-series 0 true", "true"}, gates(planSet(""), planSet(""))); d != "" {
		t.Error(d)
	}
}

// A set that is refused gives no impact, and says why.
func TestPlanOfASetThatIsRefused(t *testing.T) {
	bad := planSet(`control: "x": action: "dorp"`)
	for _, sides := range [][2]PolicySource{{bad, planSet("")}, {planSet(""), bad}} {
		p := planOf(t, sides[0], sides[1], aRecord)
		if !p.Refused() || p.Impact != nil || len(p.Base.Findings)+len(p.New.Findings) == 0 {
			t.Errorf("%+v", p)
		}
	}
}

// unreadable is a directory that may not be read.
type unreadable struct{}

func (unreadable) Open(string) (fs.File, error) { return nil, fs.ErrPermission }

func TestPlanFaults(t *testing.T) {
	good := planSet("")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(aRecord)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	packed := zipped.String()
	for _, c := range []struct {
		doc  string
		opts PlanOptions
		is   error
		want string
	}{
		{"no records", PlanOptions{Base: good, New: good, Traffic: strings.NewReader("x"), TrafficName: "f"}, ErrRejected, "traffic f: line 1: "},
		{"not gzip", PlanOptions{Base: good, New: good, Traffic: strings.NewReader("\x1f\x8bxx"), TrafficName: "f"}, ErrRejected, "the gzip data is cut off before its end"},
		{"cut gzip", PlanOptions{Base: good, New: good, Traffic: strings.NewReader(packed[:len(packed)-9]), TrafficName: "f"}, ErrRejected, "the gzip data is cut off before its end"},
		{"damaged gzip", PlanOptions{Base: good, New: good, Traffic: strings.NewReader(packed[:len(packed)-8] + "12345678"), TrafficName: "f"}, ErrRejected, "the gzip data is damaged"},
		{"no bundle", PlanOptions{Base: PolicySource{Name: "deployed", Bundle: []byte("{}")}, New: good}, ErrRejected, "deployed: rejected: read bundle"},
		{"a set that cannot be read", PlanOptions{Base: PolicySource{Name: "here", Prefix: "here", Files: unreadable{}}, New: good}, ErrConfig, "here: the policy set cannot be read: permission denied"},
		{"a bundle cut off", PlanOptions{Base: PolicySource{Name: "deployed", Bundle: []byte(`{"set"`)}, New: good}, ErrRejected, "read bundle"},
	} {
		t.Run(c.doc, func(t *testing.T) {
			if _, err := NewPlan(t.Context(), c.opts); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	long := strings.Repeat(aRecord, 1)
	for i := range 3000 {
		long += strings.Replace(aRecord, "t-1", fmt.Sprint("t-", i), 1)
	}
	if _, err := NewPlan(ended, PlanOptions{Base: good, New: good, Traffic: strings.NewReader(long)}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the end", err)
	}
	if _, err := DirSource("nowhere"); !errors.Is(err, ErrConfig) {
		t.Errorf("error %v", err)
	}
	if _, err := GitSource(t.Context(), t.TempDir(), "HEAD"); !errors.Is(err, ErrConfig) {
		t.Errorf("no repository: error %v", err)
	}
	for _, spec := range []string{"", ":x", "-x", "--exec=x:y"} {
		if _, err := GitSource(t.Context(), ".", spec); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "names no git revision") {
			t.Errorf("%q: error %v", spec, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := GitSource(t.Context(), ".", "HEAD"); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "needs the program git") {
		t.Errorf("without git: error %v", err)
	}
}

// A link in place of a team, or of all, is refused in a revision of git as it is in a directory.
func TestPlanFromGitRefusesLinkedTeams(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	const policy = "package policies\npolicy: team: \"%s\"\n"
	for name, link := range map[string][2]string{"a team": {"orders", "teams/linked"}, "all teams": {"elsewhere", "teams"}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			base := "teams"
			if link[1] == "teams" {
				base = "elsewhere"
			}
			write := func(file string) error {
				at := filepath.Join(dir, file)
				return errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, fmt.Appendf(nil, policy, "orders"), 0o600))
			}
			if err := errors.Join(write(base+"/orders/policy.cue"), write("org.cue"), os.Symlink(link[0], filepath.Join(dir, link[1]))); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"}} {
				if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
					t.Fatalf("git %v: %v\n%s", args, err, out)
				}
			}
			from, err := GitSource(t.Context(), dir, "HEAD")
			if err != nil {
				t.Fatal(err)
			}
			set, err := loadSet(t.Context(), from.Files, Loading{}, "")
			if err != nil || !slices.ContainsFunc(set.report.Findings, func(d diag.Diagnostic) bool {
				return d.Code == diag.BadFile && d.Pos.File == link[1]
			}) {
				t.Errorf("%v, findings %v", err, set.report.Findings)
			}
		})
	}
}

// A bundle stands for the set that it was made of.
func TestPlanWithABundle(t *testing.T) {
	set, err := loadSet(t.Context(), planSet(dropDebug).Files, Loading{}, "")
	if err != nil || set.bundle == nil {
		t.Fatal(err, set.report)
	}
	text, err := json.Marshal(set.bundle)
	if err != nil {
		t.Fatal(err)
	}
	deployed := PolicySource{Name: "deployed", Prefix: "deployed", Bundle: text}
	if p := planOf(t, deployed, planSet(dropDebug), aRecord); p.Changes() || p.Base.Revision != p.New.Revision {
		t.Errorf("%+v", p)
	}
	p := planOf(t, deployed, planSet(""), aRecord)
	if len(p.Rules) != 1 || p.Rules[0].Pos.File != "deployed/policy.cue" || len(p.Impact.Moves) != 1 || p.Impact.Moves[0].Was.Pos.File != "deployed/policy.cue" {
		t.Errorf("%+v", p.Rules)
	}
}

// trafficOf records n tasks of the load that benchmarks share.
func trafficOf(tb testing.TB, tasks int) []byte {
	tb.Helper()
	var b bytes.Buffer
	records := bytes.NewReader(bytes.Join(testkit.Flat(tasks), []byte("\n")))
	if _, err := Record(&b, []TrafficSource{{Name: "load", In: records}}, RecordOptions{Version: "test"}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// BenchmarkPlan compares the default policies with a change of them over 100,000
// series, from files to the plan.
func BenchmarkPlan(b *testing.B) {
	text := trafficOf(b, 1000)
	here := os.DirFS("../policies")
	changed := fstest.MapFS{}
	err := fs.WalkDir(here, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			data, err := fs.ReadFile(here, name)
			changed[name] = &fstest.MapFile{Data: data}
			return err
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	changed["more.cue"] = &fstest.MapFile{Data: []byte(`package policies

import "github.com/sluice-metrics/sluice/schema"

policy: rewrite: "short": schema.#ShortID & {match: metrics: ["*_metricNumber1?PerSecond"], label: "task_name"}
policy: control: "some": schema.#Drop & {match: metrics: ["*_metricNumber2?PerSecond"], reason: "for the benchmark"}
`)}
	n, before := 0.0, cpuTime(b)
	for b.Loop() {
		n++
		p, err := NewPlan(b.Context(), PlanOptions{
			Base: PolicySource{Name: "a", Files: here}, New: PolicySource{Name: "b", Files: changed}, Traffic: bytes.NewReader(text),
		})
		if err != nil || p.Refused() {
			b.Fatal(err, p.New.Findings)
		}
		if len(p.Impact.Moves) == 0 || len(p.Impact.Relabels) == 0 || p.Impact.Reported.Series != 100_000 {
			b.Fatalf("%+v", p.Impact)
		}
	}
	b.ReportMetric((cpuTime(b)-before).Seconds()/n, "cpu-s/plan")
}
