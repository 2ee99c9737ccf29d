package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/depot"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func renamePlugin(t *testing.T) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../plugins/project/testdata/rename.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// withChild has an instance try plugins in a process of its own.
func withChild(t *testing.T) func(*Runtime) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(r *Runtime) { r.opts.Child = append([]string{exe}, ChildArgs()...) }
}

// A plugin that one instance was given is there in the fleet, and after a restart
// without a broker; what is deleted is gone everywhere.
func TestPluginReachesTheFleet(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, simpleSet)
	cfg.Brokers = roomyBroker(t)
	wasm := renamePlugin(t)
	first := startAdjusted(t, cfg, withChild(t))
	other := cfg
	other.DataDir = t.TempDir()
	second := startInstance(t, other)
	var p StoredPlugin
	eventually(t, func() string {
		var err error
		if p, err = first.PushPlugin(t.Context(), Actor{Name: "ann", Role: RoleAdmin, Address: "127.0.0.1:9"}, wasm); err != nil {
			return err.Error()
		}
		return ""
	})
	if p.Name != "rename-scale" || p.By != "ann" || p.From != "127.0.0.1:9" || !p.Fleet {
		t.Errorf("%+v", p)
	}
	file := filepath.Join(other.DataDir, "plugins", strings.TrimPrefix(p.Digest, "sha256:")+".wasm")
	eventually(t, func() string {
		if text, err := os.ReadFile(file); err != nil || !bytes.Equal(text, wasm) {
			return "the second instance does not keep it"
		}
		return ""
	})
	if got, err := second.depot.Get(p.Digest); err != nil || !bytes.Equal(got, wasm) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	alone, _, err := New(t.Context(), other, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := alone.depot.Get(p.Digest); err != nil || !bytes.Equal(got, wasm) {
		t.Errorf("before the broker is asked: %d bytes, %v", len(got), err)
	}
	if list, err := alone.StoredPlugins(); err != nil || len(list) != 1 || list[0].Name != "rename-scale" || list[0].Fleet {
		t.Errorf("before the broker is asked: %+v, %v", list, err)
	}
	if _, err := second.DeletePlugin(t.Context(), Actor{Name: "bob", Role: RoleAdmin}, p.Digest, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if _, err := first.depot.Get(p.Digest); err == nil {
			return "the first instance still has it"
		}
		if _, err := os.Stat(file); err == nil {
			return "the second instance still keeps it"
		}
		return ""
	})
	if _, err := first.Plugin(p.Digest); !errors.Is(err, ErrNoPlugin) {
		t.Errorf("after that: %v", err)
	}
}

// A plugin that lies in the directory of one instance alone is given to the fleet by who
// puts a set in force there that names it, be it as a canary.
func TestApplyGivesAPluginToTheFleet(t *testing.T) {
	t.Parallel()
	cfg := topicConfig(t)
	cfg.Brokers = roomyBroker(t)
	second := startFollowing(t, cfg)
	cfg.DataDir = t.TempDir()
	first := startInstance(t, cfg)
	named := func(module string) (p StoredPlugin, set string) {
		t.Helper()
		wasm := moduleOfTests(t, module)
		info, err := plugins.Inspect(wasm)
		if err != nil {
			t.Fatal(err)
		}
		if err := keepFile(filepath.Join(pluginDir(cfg.DataDir), strings.TrimPrefix(info.Digest, "sha256:")+".wasm"), wasm); err != nil {
			t.Fatal(err)
		}
		if p, err = first.findPlugin(info.Digest); err != nil || p.Fleet {
			t.Fatalf("%+v, %v", p, err)
		}
		return p, strings.Replace(plugged("quarantine"), "./plugins/it.wasm", info.Manifest.Name+"@"+info.Digest, 1)
	}
	inFleet := func(p StoredPlugin) {
		t.Helper()
		eventually(t, func() string {
			got, err := second.findPlugin(p.Digest)
			if err != nil || !got.Fleet || got.By != pusher.Name || got.Name != p.Name {
				return fmt.Sprintf("the second instance has %+v, %v", got, err)
			}
			return ""
		})
	}
	one, set := named("rename.wasm")
	out, err := first.Apply(t.Context(), pusher, pushing(set))
	if err != nil {
		t.Fatal(err)
	}
	inFleet(one)
	for _, r := range []instance{first, second} {
		r.awaitPolicies(t, "the fleet", func(p *PolicyStatus) bool { return p.Revision == out.Revision && p.State != PolicyApplying })
	}
	two, set := named("rename2.wasm")
	_, report, err := first.Canary(t.Context(), pusher, CanaryRequest{
		Candidate: Candidate{Files: map[string]string{"policy.cue": policySet(set)}, Reason: "for the test"}, Share: 0.5,
	})
	if err != nil {
		t.Fatal(err, report.Findings)
	}
	inFleet(two)
	eventually(t, func() string {
		if c := second.rollouts.canary.Load(); c == nil {
			return "the canary does not run in the second instance"
		}
		return ""
	})
}

// What is wrong with a plugin is the same, be it tried here or in a process of its own.
func TestPluginsAreTriedApart(t *testing.T) {
	t.Parallel()
	wasm := renamePlugin(t)
	here, apart := &Runtime{}, &Runtime{}
	withChild(t)(apart)
	apart.cfg.DataDir = t.TempDir()
	for name, r := range map[string]*Runtime{"here": here, "apart": apart} {
		if err := r.tryPlugin(t.Context(), wasm); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var fault *plugins.Error
		if err := r.tryPlugin(t.Context(), wasm[:len(wasm)-30]); !errors.As(err, &fault) || fault.Code != abi.BadModule && fault.Code != abi.BadManifest {
			t.Errorf("%s: half a module: %v", name, err)
		}
		r.cfg.Plugins.Pages = 1 // as the operator of the instance has it
		if err := r.tryPlugin(t.Context(), wasm); !errors.As(err, &fault) || fault.Code != abi.OutOfMemory {
			t.Errorf("%s: more memory than plugins may have: %v", name, err)
		}
		r.cfg.Plugins.Pages = 0
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.tryPlugin(ended, wasm); err == nil && name == "apart" {
			t.Errorf("%s: the asker has gone, and it is tried", name)
		}
	}
	if cached, err := os.ReadDir(apart.pluginCache()); err != nil || len(cached) == 0 {
		t.Errorf("the process leaves nothing compiled: %v, %v", cached, err)
	}
	gone := &Runtime{}
	gone.opts.Child = []string{"/no/such/program"}
	if err := gone.tryPlugin(t.Context(), wasm); err == nil || errors.As(err, new(*plugins.Error)) {
		t.Errorf("no program: %v", err)
	}
}

func TestChildRefusesWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"wasm": 1}`} {
		if err := tryPluginHere(strings.NewReader(text), &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, args := range [][]string{nil, {"plugin"}, {childArgument, "other"}, {childArgument, pluginArgument, "more"}} {
		if IsChild(args) {
			t.Errorf("%q makes a child", args)
		}
	}
}

func TestSamplesOfRecord(t *testing.T) {
	t.Parallel()
	got, err := SamplesOfRecord([]byte(`{"v":1,"torrent_task_id":"t-1","report_timestamp":5,"scope":"operator","metric":"state","type":"gauge","labels":{"a":"b"},"points":[{"s":0,"v":1.5},{"s":1,"t":"RUNNING"},{"s":2,"v":null}]}`))
	if err != nil || len(got) != 2 || got[0].Name != "flink_operator_state" || got[0].Value != 1.5 || got[0].Labels["a"] != "b" || got[0].Labels["subtask_index"] != "0" ||
		!got[1].IsText || got[1].Text != "RUNNING" || got[1].Time != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "{}", `{"torrent_task_id":1}`, `[]`} {
		if _, err := SamplesOfRecord([]byte(text)); !errors.Is(err, ErrRejected) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A plugin that the policies in force name is not deleted.
func TestUsedPluginStays(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, simpleSet)
	cfg.DataDir = t.TempDir()
	wasm := renamePlugin(t)
	digest := depot.Digest(wasm)
	file := filepath.Join(cfg.DataDir, "plugins", strings.TrimPrefix(digest, "sha256:")+".wasm")
	if err := keepFile(file, wasm); err != nil {
		t.Fatal(err)
	}
	r, _, err := New(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	set := *r.opened()
	used := *set.bundle
	used.Set.Teams = []policy.Team{{Name: "pay", Transform: map[string]policy.Transform{"b": {Plugin: "x@" + digest}, "a": {Plugin: "x@" + digest}, "c": {Plugin: "./x.wasm"}}}}
	set.bundle = &used
	r.rev.Store(newRevision(&set))
	_, err = r.DeletePlugin(t.Context(), Actor{}, digest, true)
	if !errors.Is(err, ErrPluginUsed) || !strings.Contains(err.Error(), "pay/a, pay/b") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, wasm[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := r.Plugin(digest); err != nil || !strings.Contains(p.Damaged, "not those of its digest") {
		t.Errorf("a damaged file: %+v, %v", p, err)
	}
}
