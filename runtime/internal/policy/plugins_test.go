package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// manifests stands in for modules: a module is the text of its manifest.
type manifests map[string]string // by digest: those that were pushed

// pushed are the plugins that scenes and examples name by their digest.
var pushed = manifests{
	"sha256:" + strings.Repeat("0123456789abcdef", 4): `{"name": "mask", "version": "1.0.0", "scope": "series", "config": "labels!: [...string]\nsalt: *1 | int"}`,
	"sha256:" + strings.Repeat("5", 64):               `{"name": "mask", "version": "2.0.0", "scope": "sample", "writes": {"labels": ["user"]}, "config": "labels!: [...string]\nsalt: *1 | int"}`,
	"sha256:" + strings.Repeat("6", 64):               `{"name": "tasks", "version": "1.0.0", "scope": "series", "writes": {"labels": ["torrent_task_id"]}}`,
	"sha256:" + strings.Repeat("a", 64):               "this is no module",
}

func (m manifests) Get(digest string) ([]byte, error) {
	if text, ok := m[digest]; ok {
		return []byte(text), nil
	}
	return nil, errors.New("no plugin with this digest was pushed")
}

func (m manifests) Inspect(module []byte) (info PluginInfo, err error) {
	if err := json.Unmarshal(module, &info.Manifest); err != nil {
		return info, errors.New("parse: bad-module: not a WebAssembly module")
	}
	for digest, text := range m {
		if text == string(module) {
			info.Digest = digest
			return info, nil
		}
	}
	sum := sha256.Sum256(module)
	info.Digest = "sha256:" + hex.EncodeToString(sum[:])
	return info, nil
}

// A set that was loaded names what its plugins are, whatever its files are called,
// and has the configs complete.
func TestLoadPinsPlugins(t *testing.T) {
	module := `{"name": "mask", "version": "1.0.0", "scope": "series", "config": "labels!: [...string]\nsalt: *1 | int"}`
	set := func(plugin string) fstest.MapFS {
		return fstest.MapFS{
			"p.cue": {Data: []byte(`package policies
policy: {team: "a", transform: x: {match: metrics: ["*"], plugin: "` + plugin + `", config: labels: ["user"]}}`)},
			"plugins/m.wasm": {Data: []byte(module)},
		}
	}
	load := func(fsys fstest.MapFS, cache *Cache) *Bundle {
		b, found, err := Load(t.Context(), fsys, Options{Plugins: manifests{}, Cache: cache})
		if b == nil || err != nil {
			t.Fatal(found, err)
		}
		return b
	}
	cache := &Cache{}
	b := load(set("./plugins/m.wasm"), cache)
	got := b.Set.Teams[0].Transform["x"]
	digest := strings.TrimPrefix(got.Plugin, "mask@")
	if string(b.Modules[digest]) != module || got.Scope != "series" || got.OnError != "quarantine" ||
		!cmp.Equal(got.Config, map[string]any{"labels": []any{"user"}, "salt": 1.0}) {
		t.Errorf("%+v, modules %v", got, b.Modules)
	}
	if again := load(set("./plugins/m.wasm"), cache); again.Digest != b.Digest {
		t.Error("a set that is loaded again has another digest")
	}
	if pinned := load(set("mask@"+digest), cache); pinned.Digest != b.Digest || string(pinned.Modules[digest]) != module {
		t.Error("a plugin that is pinned and lies beside the policies is another one")
	}
	other := set("./plugins/m.wasm")
	other["plugins/m.wasm"].Data = []byte(strings.Replace(module, "1.0.0", "1.0.1", 1))
	if load(other, cache).Digest == b.Digest {
		t.Error("a set with another plugin under the same path has the same digest")
	}
}

// The child answers as this process does.
func TestConfigIsCheckedInTheChild(t *testing.T) {
	opt := Options{Child: testChild(t, Limits{CPU: time.Minute, Wall: time.Minute, Memory: 1 << 30})}
	for name, work := range map[string]configWork{
		"right":     {Schema: "a!: int\nb: *2 | int", Config: []byte(`{"a": 1}`)},
		"wrong":     {Schema: "a!: int", Config: []byte(`{"a": "x"}`)},
		"unknown":   {Schema: "a?: int", Config: []byte(`{"c": 1}`)},
		"escapes":   {Schema: "}\nconfig: {", Config: []byte(`{}`)},
		"too large": {Schema: strings.Repeat("a?: int\n", 20_000), Config: []byte(`{}`)},
		"reserved":  {Schema: "#SluicePluginConfig: _", Config: []byte(`{"x": 1}`)},
	} {
		there, err := opt.judgeConfig(context.Background(), work)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		here := checkConfig(work)
		if diff := cmp.Diff(here, there); diff != "" {
			t.Errorf("%s (-here +child):\n%s", name, diff)
		}
		if right := name == "right"; right != (len(here.Wrong) == 0) {
			t.Errorf("%s: %+v", name, here)
		}
	}
}

// A schema that would take the machine down takes the check of its config down.
func TestHostileConfigSchema(t *testing.T) {
	opt := Options{Child: testChild(t, Limits{CPU: time.Minute, Wall: time.Minute, Memory: 1 << 30})}
	for name, schema := range map[string]string{
		"memory": "import \"list\"\n_a: [for i in list.Range(0, 20000000, 1) {i}]\na?: len(_a)",
		"time":   "import \"list\"\n_a: [for i in list.Range(0, 3000, 1) for j in list.Range(0, 3000, 1) for k in list.Range(0, 3000, 1) if k < 0 {k}]\na?: len(_a)",
	} {
		out, err := opt.judgeConfig(t.Context(), configWork{Schema: schema, Config: []byte("{}")})
		if err != nil || !out.Limited || len(out.Wrong) != 1 || !strings.Contains(out.Wrong[0].Message, "than it may") {
			t.Errorf("%s: %+v %v", name, out, err)
		}
	}
}

func FuzzCheckConfig(f *testing.F) {
	f.Add("labels!: [...string]", `{"labels": ["a"]}`)
	f.Add("import \"list\"\na: list.MaxItems(2)", `{"a": [1, 2, 3]}`)
	f.Add("a: b\nb: a", `{}`)
	f.Add("{...}", `{"x": null}`)
	f.Fuzz(func(t *testing.T, schema, config string) {
		if len(schema) > 200 || len(config) > 200 {
			return // what is large is for the limits of the child
		}
		checkConfig(configWork{Schema: schema, Config: []byte(config)}) // neither panics nor hangs
	})
}
