package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/schema"
)

// A Registry serves the schema's module as the OCI distribution API has it, to be
// read only. It holds one repository with one tag; see the specification at
// https://github.com/opencontainers/distribution-spec.
type Registry struct {
	module    SchemaModule
	tags      []byte
	manifests map[string]blob // by tag and by digest
	blobs     map[string]blob // by digest
}

type blob struct {
	mediaType, digest string
	content           []byte
}

func newBlob(mediaType string, content []byte) blob {
	sum := sha256.Sum256(content)
	return blob{mediaType, "sha256:" + hex.EncodeToString(sum[:]), content}
}

// The media types by which CUE knows a module.
const (
	manifestType   = "application/vnd.oci.image.manifest.v1+json"
	moduleType     = "application/vnd.cue.module.v1+json"
	moduleFileType = "application/vnd.cue.modulefile.v1"
)

// A descriptor refers to a blob.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

func (b blob) descriptor() descriptor { return descriptor{b.mediaType, b.digest, len(b.content)} }

// NewRegistry returns a registry for a module.
func NewRegistry(m SchemaModule) (*Registry, error) {
	archive, err := m.zip()
	if err != nil {
		return nil, err
	}
	packed, config := newBlob("application/zip", archive), newBlob(moduleType, []byte("{}"))
	var file blob
	for _, f := range m.Files {
		if f.Name == moduleFile {
			file = newBlob(moduleFileType, f.Text)
		}
	}
	text, err := json.Marshal(struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, manifestType, config.descriptor(), []descriptor{packed.descriptor(), file.descriptor()}})
	if err != nil {
		return nil, fmt.Errorf("manifest of the schema: %w", err)
	}
	manifest := newBlob(manifestType, text)
	r := &Registry{
		module:    m,
		manifests: map[string]blob{m.Version: manifest, manifest.digest: manifest},
		blobs:     map[string]blob{packed.digest: packed, file.digest: file, config.digest: config},
	}
	if r.tags, err = json.Marshal(map[string]any{"name": schema.ImportPath, "tags": []string{m.Version}}); err != nil {
		return nil, fmt.Errorf("tags of the schema: %w", err)
	}
	return r, nil
}

// ServeHTTP answers GET and HEAD below /v2/. Everything else is refused in the
// words of the API.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rest, known := strings.CutPrefix(req.URL.Path, "/v2/")
	switch {
	case req.Method != http.MethodGet && req.Method != http.MethodHead:
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is read only")
		return
	case !known:
		refuse(w, http.StatusNotFound, "UNSUPPORTED", "the API is below /v2/")
		return
	case rest == "":
		answer(w, req, "application/json", []byte("{}"))
		return
	}
	rest, known = strings.CutPrefix(rest, schema.ImportPath+"/")
	if !known {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "this registry holds "+r.module.Path+" alone")
		return
	}
	kind, name, _ := strings.Cut(rest, "/")
	switch kind {
	case "tags":
		if name == "list" {
			answer(w, req, "application/json", r.tags)
			return
		}
	case "manifests":
		found(w, req, r.manifests, name, "MANIFEST_UNKNOWN", "this registry holds version "+r.module.Version+" alone")
		return
	case "blobs":
		found(w, req, r.blobs, name, "BLOB_UNKNOWN", "there is no such blob")
		return
	}
	refuse(w, http.StatusNotFound, "UNSUPPORTED", "there is nothing at this path")
}

func found(w http.ResponseWriter, req *http.Request, in map[string]blob, name, code, otherwise string) {
	b, ok := in[name]
	if !ok {
		refuse(w, http.StatusNotFound, code, otherwise)
		return
	}
	w.Header().Set("Docker-Content-Digest", b.digest)
	answer(w, req, b.mediaType, b.content)
}

func answer(w http.ResponseWriter, req *http.Request, mediaType string, content []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodGet {
		_, _ = w.Write(content) // a client that has gone needs no answer
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	text, err := json.Marshal(map[string][]problem{"errors": {{code, message}}})
	if err != nil {
		http.Error(w, message, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // as above
}
