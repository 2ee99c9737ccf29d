package policytest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/explain"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

const testedRules = `package policies

import "github.com/sluice-metrics/sluice/schema"

policy: schema.#Policy & {
	team: "platform"
	control: debug: schema.#Drop & {match: metrics: ["*_debug"], reason: "nobody reads it"}
	control: archive: schema.#Route & {order: 200, match: metrics: ["old_*"], to: ["late"]}
	rewrite: ms: schema.#Scale & {match: metrics: ["*_ms"], factor: 0.5}
	sink: {store: {type: "store", default: true}, late: {type: "scrape"}}
	stream: flink: topics: ["flink.native"]
}
`

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// load compiles the set in dir.
func load(t *testing.T, dir string) (set explain.Set, digest string) {
	t.Helper()
	known, err := catalogue.Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	b, found, err := policy.Load(t.Context(), os.DirFS(dir), policy.Options{})
	if b == nil {
		t.Fatal(err, found)
	}
	p, found := program.Compile(&b.Set, program.Options{Provenance: b.Provenance})
	if p == nil {
		t.Fatal(found)
	}
	return explain.Set{Policies: &b.Set, Provenance: b.Provenance, Program: p, Known: known, Dir: dir}, b.Digest
}

// run runs all tests of the set in dir.
func run(t *testing.T, dir string) Report {
	t.Helper()
	set, digest := load(t, dir)
	r, all := Run(set, digest, regexp.MustCompile(""))
	if r.Revision != digest || r.Policies != dir || len(r.Tests) != all {
		t.Fatalf("%d of %d tests of %s, revision %s", len(r.Tests), all, r.Policies, r.Revision)
	}
	return r
}

// What --update writes holds, whatever was wrong.
func TestUpdatedTestsPass(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "policy.cue", testedRules)
	write(t, dir, "policy_test.cue", `package policies

// Kept as it is.
policy: test: values: {
	given: [{task: "t", metric: "x_ms", value: 4}, {task: "t", metric: "old_x"}, {task: "t", metric: "a_debug"}]
	expect: {
		kept: [
			// half of it
			{metric: "x_ms", task: "t", value: 4},
			{metric: "old_x", task: "t", to: ["store"]},
			{metric: "a_debug", task: "t"},
		]
		dropped: [{metric: "a_debug", by: "archive"}, {metric: "old_x", by: "archive"}]
		samples: ["dropped", "out"]
	}
}

policy: test: inline: {
	given: [{task: "t", metric: "up"}, {task: "u", metric: "up"}]
	expect: kept: [{metric: "up", task: "t"}]
}
`)
	report := run(t, dir)
	if report.Failed != 2 {
		t.Fatalf("%d tests fail", report.Failed)
	}
	patches, found, err := report.Update()
	if err != nil || len(found) > 0 || len(patches) != 1 {
		t.Fatalf("%v, %v, %d files", err, found, len(patches))
	}
	if err := patches[0].Write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "policy_test.cue"))
	if again := run(t, dir); err != nil || again.Failed > 0 {
		t.Errorf("%v: %d tests fail still\n%s", err, again.Failed, text)
	}
	for _, kept := range []string{"// Kept as it is.", "// half of it", `value: 2}`, `to: ["late"]`, `{metric: "a_debug", by: "debug"}`} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%q is not in\n%s", kept, text)
		}
	}
	if err := patches[0].Write(); !errors.Is(err, diag.ErrConfig) {
		t.Errorf("a file that has changed is overwritten: %v", err)
	}
}

// Tests of traffic pass by the set that they are made for, and are spread over
// what its rules do.
func TestTestsFromTrafficPass(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "policy.cue", testedRules)
	set, _ := load(t, dir)
	var lines []string
	for _, name := range []string{"up", "up2", "x_ms", "old_x", "a_debug", "b_debug"} {
		for _, task := range []string{"t", "u"} {
			lines = append(lines, fmt.Sprintf(`{"torrent_task_id":%q,"report_timestamp":1763800000000,"metric":%q,"type":"gauge","value":3}`, task, name))
		}
	}
	seen, err := traffic.ReadAll(strings.NewReader(strings.Join(lines, "\n")), set.Known.Origin)
	if err != nil {
		t.Fatal(err)
	}
	text, err := FromTraffic(set, seen, 8)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "traffic_test.cue", string(text))
	if report := run(t, dir); len(report.Tests) != 8 || report.Failed > 0 || report.Coverage.Percent != 100 {
		t.Errorf("%d tests, %d fail, they exercise %v %%\n%s", len(report.Tests), report.Failed, report.Coverage.Percent, text)
	}
}
