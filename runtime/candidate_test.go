package runtime

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/depot"
)

// What is validated is said to be right or wrong as an apply would, and does not run.
func TestValidate(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, dropping("a")))
	before := r.Status().Revision
	bob := Actor{Name: "bob", Role: RoleAuthor, Teams: []string{"billing"}}
	file := func(text string) map[string]string { return map[string]string{"policy.cue": text} }
	for name, tt := range map[string]struct {
		by             Actor
		files          map[string]string
		valid          bool
		found, refused string
	}{
		"right":          {pusher, file(policySet(dropping("b"))), true, "", ""},
		"the same":       {pusher, file(policySet(dropping("a"))), true, "", ""},
		"a wrong tier":   {pusher, file(policySet(strings.Replace(dropping("b"), `"tenant"`, `"boss"`, 1))), false, "tier must be one of", ""},
		"no CUE":         {pusher, file("package policies\npolicy: {"), false, "", ""},
		"another stream": {pusher, file(policySet(dropping("b") + "\nstream: more: {topics: [\"more\"]}")), true, "", ""},
		"no stream":      {pusher, file(policySet(storeSink)), false, "", "no stream, so there is nothing to read"},
		"another team":   {bob, file(policySet(dropping("b"))), false, "", "may change what belongs to billing"},
	} {
		v, err := r.Validate(context.Background(), tt.by, tt.files, nil)
		if err != nil || v.Valid != tt.valid || !strings.Contains(v.Refused, tt.refused) || (tt.refused == "") != (v.Refused == "") || v.Summary == "" {
			t.Errorf("%s: %+v, error %v", name, v, err)
		}
		if wrong := !tt.valid && tt.refused == ""; wrong != v.Report.Refused() || wrong && !strings.Contains(firstError(v.Report.Findings), tt.found) {
			t.Errorf("%s: findings %v", name, v.Report.Findings)
		}
	}
	if _, err := r.Validate(context.Background(), pusher, nil, nil); !errors.Is(err, ErrRejected) {
		t.Errorf("no files: %v", err)
	}
	if now := r.Status().Revision; now != before {
		t.Errorf("%s runs", now)
	}
	r.trying.Add(maxTrials)
	if _, err := r.Validate(context.Background(), pusher, file(""), nil); !errors.Is(err, ErrBusy) {
		t.Errorf("too many: %v", err)
	}
	r.trying.Add(-maxTrials)
}

// A plan is made over what came to this very instance, and says what an apply that
// is bound to it would do.
func TestPlanLive(t *testing.T) {
	t.Parallel()
	r := startFollowing(t, topicConfig(t))
	now := time.Now().Truncate(time.Millisecond)
	r.publish(t, "flink.native", flat("t-1", "a", "gauge", now.UnixMilli(), "1"), flat("t-1", "b", "gauge", now.UnixMilli(), "2"))
	req, none := push(t, r, "a"), 0.0
	var p *Plan
	eventually(t, func() string {
		var err error
		p, err = r.Plan(context.Background(), PlanRequest{Files: req.Files, Since: time.Hour, MaxDropped: &none})
		if err != nil || p.Impact.Before.Series < 2 {
			return fmt.Sprintf("the series: %+v, error %v", p, err)
		}
		return ""
	})
	if p.Base.Revision != r.Revision() || p.Digest == "" || p.Impact.Before.Series != 2 || p.Impact.After.Series != 1 || p.Passed() || len(p.Rules) == 0 {
		t.Errorf("%+v, impact %+v, gates %+v", p, p.Impact, p.Gates)
	}
	req.Plan = &PlanBinding{Digest: p.Digest, Base: p.Base.Revision, Revision: p.New.Revision}
	if out, err := r.Apply(context.Background(), pusher, req); err != nil || out.Revision != p.New.Revision || r.PolicyStatus().Origin.Plan != p.Digest {
		t.Errorf("applied: %+v, error %v", out, err)
	}
	for name, tt := range map[string]struct {
		q    PlanRequest
		want error
	}{
		"no files":    {PlanRequest{}, ErrRejected},
		"a wrong one": {PlanRequest{Files: map[string]string{"policy.cue": "package policies\npolicy: {"}}, ErrRejected},
		"a moment":    {PlanRequest{Files: req.Files, Since: time.Millisecond}, ErrRejected},
		"a day":       {PlanRequest{Files: req.Files, Since: 24 * time.Hour}, ErrRejected},
	} {
		if _, err := r.Plan(context.Background(), tt.q); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	r.recording.Add(maxTrafficRequests)
	if _, err := r.Plan(context.Background(), PlanRequest{Files: req.Files}); !errors.Is(err, ErrBusy) {
		t.Errorf("too many read the traffic: %v", err)
	}
	r.recording.Add(-maxTrafficRequests)
}

// A set that is handed over names plugins by the digest under which they are stored.
func TestPluginsThatAreHandedOver(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, simpleSet)
	cfg.DataDir = t.TempDir()
	r, _, err := New(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wasm := renamePlugin(t)
	digest := depot.Digest(wasm)
	if err := keepFile(filepath.Join(cfg.DataDir, "plugins", strings.TrimPrefix(digest, "sha256:")+".wasm"), wasm); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"policy.cue": policySet(simpleSet + `
	transform: users: schema.#Transform & {match: metrics: ["*"], plugin: "./plugins/it.wasm"}`)}
	other := "sha256:" + strings.Repeat("0", 64)
	for name, tt := range map[string]struct {
		plugins map[string]string
		lacking string
		want    string // of the error or the first finding; "": it is right
	}{
		"stored":      {map[string]string{"plugins/it.wasm": digest, "more/unused.wasm": other}, "", ""},
		"not stored":  {map[string]string{"plugins/it.wasm": other}, "plugins/it.wasm", "this instance has no plugin plugins/it.wasm"},
		"not said":    {nil, "", "plugins/it.wasm was not handed over with the files"},
		"no digest":   {map[string]string{"plugins/it.wasm": "latest"}, "", "is no digest"},
		"no plugin":   {map[string]string{"plugins/it.txt": digest}, "", "is no path of a .wasm file"},
		"a path out":  {map[string]string{"../it.wasm": digest}, "", "is no path of a file"},
		"in the way":  {map[string]string{"policy.cue/it.wasm": digest}, "", "is a file, and a directory"},
		"one of many": {manyPlugins(digest), "", "a set has 200 at most"},
	} {
		v, err := r.Validate(t.Context(), pusher, files, tt.plugins)
		said := firstError(v.Report.Findings)
		if err != nil {
			said = err.Error()
		}
		if (tt.want == "") != v.Valid || !strings.Contains(said, tt.want) || strings.Join(v.Lacking, " ") != tt.lacking {
			t.Errorf("%s: %v, lacking %q: %s", name, v.Valid, v.Lacking, said)
		}
		if err != nil && !errors.Is(err, ErrRejected) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func manyPlugins(digest string) map[string]string {
	out := map[string]string{}
	for i := range MaxCandidatePlugins + 1 {
		out[fmt.Sprintf("plugins/%d.wasm", i)] = digest
	}
	return out
}
