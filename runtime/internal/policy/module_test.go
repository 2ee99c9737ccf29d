package policy

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/mod/module"
	"cuelang.org/go/mod/modzip"

	"github.com/sluice-metrics/sluice/schema"
)

func testModule(t *testing.T) (SchemaModule, *Registry) {
	t.Helper()
	m, err := NewSchemaModule()
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRegistry(m)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

// The version is what a registry takes for a tag, and names the content.
func TestModuleVersionNamesTheContent(t *testing.T) {
	m, _ := testModule(t)
	if _, err := module.NewVersion(m.Path, m.Version); err != nil {
		t.Error(err)
	}
	other := m
	other.Files = slices.Clone(m.Files)
	other.Files[1].Text = append(slices.Clone(m.Files[1].Text), '\n')
	if other.moduleVersion() == m.Version {
		t.Error("two schemas have one version")
	}
	if again, _ := testModule(t); again.Version != m.Version {
		t.Error("one schema has two versions")
	}
}

// CUE's own check accepts the archive, and the same files give the same bytes.
func TestModuleZip(t *testing.T) {
	m, _ := testModule(t)
	packed, err := m.zip()
	if err != nil {
		t.Fatal(err)
	}
	version, err := module.NewVersion(m.Path, m.Version)
	if err != nil {
		t.Fatal(err)
	}
	archive, _, checked, err := modzip.CheckZip(version, bytes.NewReader(packed), int64(len(packed)))
	if err != nil || checked.Err() != nil || len(archive.File) != len(m.Files) {
		t.Fatal(err, checked.Err())
	}
	if again, err := m.zip(); err != nil || !bytes.Equal(again, packed) {
		t.Error("the archive is not the same again", err)
	}
	if len(m.Definitions()) != len(m.Files)-1 {
		t.Errorf("definitions: %d of %d files", len(m.Definitions()), len(m.Files))
	}
}

// get asks the registry, and checks what every answer must have.
func get(t *testing.T, r *Registry, method, path string, status int) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	resp := w.Result()
	if resp.StatusCode != status || !strings.HasSuffix(resp.Header.Get("Content-Type"), "json") && status != http.StatusOK {
		t.Errorf("%s %s: %s %s", method, path, resp.Status, resp.Header)
	}
	return resp
}

func body(t *testing.T, resp *http.Response) []byte {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A client finds, step by step, the very files of the schema.
func TestRegistryLeadsToTheSchema(t *testing.T) {
	m, r := testModule(t)
	const repo = "/v2/" + schema.ImportPath
	get(t, r, http.MethodGet, "/v2/", http.StatusOK)
	var tags struct {
		Name string
		Tags []string
	}
	if err := json.Unmarshal(body(t, get(t, r, http.MethodGet, repo+"/tags/list", http.StatusOK)), &tags); err != nil ||
		tags.Name != schema.ImportPath || !slices.Equal(tags.Tags, []string{m.Version}) {
		t.Fatal(tags, err)
	}
	resp := get(t, r, http.MethodGet, repo+"/manifests/"+m.Version, http.StatusOK)
	text := body(t, resp)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	if err := json.Unmarshal(text, &manifest); err != nil || len(manifest.Layers) != 2 || resp.Header.Get("Content-Type") != manifestType {
		t.Fatal(err, string(text))
	}
	digest := resp.Header.Get("Docker-Content-Digest")
	if again := body(t, get(t, r, http.MethodGet, repo+"/manifests/"+digest, http.StatusOK)); !bytes.Equal(again, text) {
		t.Error("the manifest by digest is another one")
	}
	var archive []byte
	for _, d := range append(manifest.Layers, manifest.Config) {
		content := body(t, get(t, r, http.MethodGet, repo+"/blobs/"+d.Digest, http.StatusOK))
		if sum := sha256.Sum256(content); "sha256:"+hex.EncodeToString(sum[:]) != d.Digest || len(content) != d.Size {
			t.Errorf("%+v does not describe what is served", d)
		}
		if head := get(t, r, http.MethodHead, repo+"/blobs/"+d.Digest, http.StatusOK); head.ContentLength != int64(d.Size) || len(body(t, head)) > 0 {
			t.Errorf("HEAD of %s: %d", d.Digest, head.ContentLength)
		}
		if d.MediaType == "application/zip" {
			archive = content
		}
	}
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files.File {
		if f.Name != m.Files[i].Name {
			t.Errorf("file %d is %s", i, f.Name)
		}
	}
}

func TestRegistryRefuses(t *testing.T) {
	_, r := testModule(t)
	const repo = "/v2/" + schema.ImportPath
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"PUT", repo + "/manifests/v1.0.0", http.StatusMethodNotAllowed, "UNSUPPORTED"},
		{"POST", repo + "/blobs/uploads/", http.StatusMethodNotAllowed, "UNSUPPORTED"},
		{"DELETE", repo + "/manifests/v1.0.0", http.StatusMethodNotAllowed, "UNSUPPORTED"},
		{"GET", repo + "/manifests/v1.0.0", http.StatusNotFound, "MANIFEST_UNKNOWN"},
		{"GET", repo + "/blobs/sha256:00", http.StatusNotFound, "BLOB_UNKNOWN"},
		{"GET", repo + "/blobs/../../../etc/passwd", http.StatusNotFound, "BLOB_UNKNOWN"},
		{"GET", repo + "/tags", http.StatusNotFound, "UNSUPPORTED"},
		{"GET", repo + "/referrers/sha256:00", http.StatusNotFound, "UNSUPPORTED"},
		{"GET", "/v2/example.com/other/tags/list", http.StatusNotFound, "NAME_UNKNOWN"},
		{"GET", "/", http.StatusNotFound, "UNSUPPORTED"},
	} {
		var problem struct {
			Errors []struct{ Code, Message string }
		}
		if err := json.Unmarshal(body(t, get(t, r, tt.method, tt.path, tt.status)), &problem); err != nil ||
			len(problem.Errors) != 1 || problem.Errors[0].Code != tt.code || problem.Errors[0].Message == "" {
			t.Errorf("%s %s: %+v %v", tt.method, tt.path, problem, err)
		}
	}
}
