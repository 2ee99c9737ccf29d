package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testedRules = schemaImport + `policy: schema.#Policy & {
	team: "platform"
	control: debug: schema.#Drop & {match: metrics: ["*_debug"], reason: "nobody reads it"}
	control: archive: schema.#Route & {order: 200, match: metrics: ["old_*"], to: ["late"]}
	rewrite: ms: schema.#Scale & {match: metrics: ["*_ms"], factor: 0.5}
	sink: {store: {type: "store", default: true}, late: {type: "scrape"}}
	stream: flink: topics: ["flink.native"]
}
`

// What --update writes holds, whatever was wrong.
func TestUpdatedTestsPass(t *testing.T) {
	dir := writeFiles(t, map[string]string{"policy.cue": testedRules, "policy_test.cue": `package policies

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
`})
	report, _, err := Test(context.Background(), dir, Loading{}, "")
	if err != nil || report.Failed != 2 {
		t.Fatalf("%d tests fail, %v", report.Failed, err)
	}
	patches, found, err := report.Update()
	if err != nil || len(found) > 0 || len(patches) != 1 {
		t.Fatalf("%v, %v, %d files", err, found, len(patches))
	}
	if err := patches[0].Write(); err != nil {
		t.Fatal(err)
	}
	again, _, err := Test(context.Background(), dir, Loading{}, "")
	text, readErr := os.ReadFile(filepath.Join(dir, "policy_test.cue"))
	if err != nil || readErr != nil || again.Failed > 0 {
		t.Errorf("%v %v: %d tests fail still\n%s", err, readErr, again.Failed, text)
	}
	for _, kept := range []string{"// Kept as it is.", "// half of it", `value: 2}`, `to: ["late"]`, `{metric: "a_debug", by: "debug"}`} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%q is not in\n%s", kept, text)
		}
	}
	if err := patches[0].Write(); !errors.Is(err, ErrConfig) {
		t.Errorf("a file that has changed is overwritten: %v", err)
	}
}

// Tests of traffic pass by the set that they are made for, and are spread over
// what its rules do.
func TestTestsFromTrafficPass(t *testing.T) {
	dir := writeFiles(t, map[string]string{"policy.cue": testedRules})
	var lines []string
	for _, name := range []string{"up", "up2", "x_ms", "old_x", "a_debug", "b_debug"} {
		for _, task := range []string{"t", "u"} {
			lines = append(lines, flat(task, name, "gauge", 1_763_800_000_000, "3"))
		}
	}
	in := func() *strings.Reader { return strings.NewReader(strings.Join(lines, "\n")) }
	text, _, err := TestsFromTraffic(context.Background(), dir, Loading{}, in(), 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "traffic_test.cue"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	report, checked, err := Test(context.Background(), dir, Loading{}, "")
	if err != nil || len(report.Tests) != 8 || report.Failed > 0 || report.Coverage.Percent != 100 {
		t.Errorf("%d tests, %d fail, they exercise %v %%, %v, %v\n%s", len(report.Tests), report.Failed, report.Coverage.Percent, err, checked.Findings, text)
	}
	if _, _, err := TestsFromTraffic(context.Background(), dir, Loading{}, in(), 0); !errors.Is(err, ErrConfig) {
		t.Errorf("no test at all: %v", err)
	}
}
