package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime"
)

func renamePlugin(t *testing.T) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../../plugins/project/testdata/rename.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func pushed(t *testing.T, wasm []byte) string {
	t.Helper()
	text, err := json.Marshal(pluginBody{Wasm: wasm})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPluginIsPushedListedAndDeleted(t *testing.T) {
	s := start(t)
	wasm := renamePlugin(t)
	var p, again runtime.StoredPlugin
	s.send(t, http.MethodPost, prefix+"/plugins", pushed(t, wasm), 200, &p)
	if p.Name != "rename-scale" || p.Version != "1.0.0" || p.Scope != "sample" || p.Size != int64(len(wasm)) || !p.Fleet || p.At.IsZero() || p.Damaged != "" {
		t.Errorf("%+v", p)
	}
	s.send(t, http.MethodPost, prefix+"/plugins", pushed(t, wasm), 200, &again)
	if again.Digest != p.Digest || !again.At.Equal(p.At) {
		t.Errorf("again: %+v", again)
	}
	var list runtime.Page[runtime.StoredPlugin]
	s.send(t, http.MethodGet, prefix+"/plugins", "", 200, &list)
	if len(list.Items) != 1 || list.Items[0].Digest != p.Digest {
		t.Errorf("%+v", list)
	}
	for _, id := range []string{p.Digest, p.Digest[len("sha256:"):][:6], p.Name + "@" + p.Digest, p.Name + "@" + p.Digest[len("sha256:"):][:10]} {
		var d runtime.PluginDetails
		s.send(t, http.MethodGet, prefix+"/plugins/"+url.PathEscape(id), "", 200, &d)
		var m struct{ Name, Version, Scope string }
		if err := json.Unmarshal(d.Manifest, &m); err != nil || m.Name != "rename-scale" || d.Digest != p.Digest || len(d.Figures) == 0 {
			t.Errorf("%s: %+v, %v", id, d, err)
		}
	}
	var gone runtime.StoredPlugin
	s.send(t, http.MethodDelete, prefix+"/plugins/"+url.PathEscape(p.Digest), "", 200, &gone)
	var problem problemBody
	s.send(t, http.MethodGet, prefix+"/plugins/"+url.PathEscape(p.Digest), "", 404, &problem)
	s.send(t, http.MethodDelete, prefix+"/plugins/"+url.PathEscape(p.Digest), "", 404, &problem)
	if gone.Digest != p.Digest || problem.Code != "no-plugin" {
		t.Errorf("deleted %+v, then %+v", gone, problem)
	}
	s.await(t, "audit", func() bool {
		list := s.instance.AuditTrail(runtime.AuditFilter{Operation: "deletePlugin"})
		return len(list) == 2 && list[1].Target == "plugin rename-scale@"+p.Digest && list[0].Result == runtime.AuditRefused
	})
}

func TestWrongPluginsAreRefused(t *testing.T) {
	s := start(t)
	wasm := renamePlugin(t)
	changed := func(was, is string) []byte { return bytes.ReplaceAll(wasm, []byte(was), []byte(is)) }
	for name, c := range map[string]struct {
		wasm   []byte
		detail string
	}{
		"nothing":           {nil, "bad-module"},
		"no module":         {[]byte("plugin"), "bad-module"},
		"an empty module":   {[]byte("\x00asm\x01\x00\x00\x00"), "bad-manifest"},
		"a truncated one":   {wasm[:len(wasm)/2], "parse"},
		"no manifest":       {changed("sluice.manifest", "sluice.manifold"), "manifest"},
		"another major":     {changed("sluice_abi_1", "sluice_abi_2"), "gate"},
		"a missing export":  {changed("sluice_alloc", "sluice_allot"), "sluice_alloc"},
		"a reserved export": {changed("sluice_alloc", "__sluice_all"), "gate"},
	} {
		var p problemBody
		s.send(t, http.MethodPost, prefix+"/plugins", pushed(t, c.wasm), 422, &p)
		if p.Code != "plugin-rejected" || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, id := range []string{"x", "sha256:", "abcdef", "mask@abcdef", "%2e%2e%2f", "sha256:" + strings.Repeat("z", 64)} {
		var p problemBody
		s.send(t, http.MethodGet, prefix+"/plugins/"+id, "", 404, &p)
		if p.Code != "no-plugin" {
			t.Errorf("%s: %+v", id, p)
		}
	}
	var list runtime.Page[runtime.StoredPlugin]
	s.send(t, http.MethodGet, prefix+"/plugins", "", 200, &list)
	if len(list.Items) != 0 {
		t.Errorf("something is stored: %+v", list)
	}
}
