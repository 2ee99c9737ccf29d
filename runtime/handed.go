package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"

	"github.com/sluice-metrics/sluice/runtime/internal/depot"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
)

// MaxCandidatePlugins is how many plugins a policy set that is handed over may come with.
const MaxCandidatePlugins = 200

// handed is a policy set that somebody handed over: texts of CUE, and plugins by the
// digest under which they are stored here.
type handed struct {
	source.Tree                   // a plugin is there without content
	plugins     map[string]string // digest by path
	get         func(digest string) ([]byte, error)

	mu      sync.Mutex
	lacking map[string]bool // paths of plugins that were asked for and are not stored
}

// handedOverFiles makes a set of what was handed over.
func (r *Runtime) handedOverFiles(texts, plugins map[string]string) (*handed, error) {
	tree, size := source.Tree{}, 0
	for name, text := range texts {
		if path.Ext(name) != ".cue" {
			return nil, fmt.Errorf("%w: files: %q is no path of a .cue file such as teams/pay/keep.cue", ErrRejected, name)
		}
		size += len(text)
		tree[name] = []byte(text)
	}
	if len(tree) == 0 || len(tree) > MaxCandidateFiles || size > MaxCandidateBytes {
		return nil, fmt.Errorf("%w: files: %d files of %d bytes; a set has 1 to %d files of %d bytes at most", ErrRejected,
			len(tree), size, MaxCandidateFiles, MaxCandidateBytes)
	}
	if len(plugins) > MaxCandidatePlugins {
		return nil, fmt.Errorf("%w: plugins: %d of them; a set has %d at most", ErrRejected, len(plugins), MaxCandidatePlugins)
	}
	for name, digest := range plugins {
		if path.Ext(name) != ".wasm" {
			return nil, fmt.Errorf("%w: plugins: %q is no path of a .wasm file such as plugins/mask.wasm", ErrRejected, name)
		}
		if !depot.IsDigest(digest) {
			return nil, fmt.Errorf("%w: plugins: %s: %.100q is no digest: sha256: and 64 hexadecimal digits", ErrRejected, name, digest)
		}
		tree[name] = nil
	}
	if err := tree.Check(); err != nil {
		return nil, fmt.Errorf("%w: files: %w", ErrRejected, err)
	}
	return &handed{Tree: tree, plugins: plugins, get: r.depot.Get, lacking: map[string]bool{}}, nil
}

// Open implements fs.FS.
func (h *handed) Open(name string) (fs.File, error) {
	digest, ok := h.plugins[name]
	if !ok {
		return h.Tree.Open(name)
	}
	module, err := h.get(digest)
	if err != nil {
		h.mu.Lock()
		h.lacking[name] = true
		h.mu.Unlock()
		return nil, fmt.Errorf("this instance has no plugin %s: %w", name, err)
	}
	return source.Tree{name: module}.Open(name)
}

// Stat implements fs.StatFS: whether a plugin is stored, opening it tells.
func (h *handed) Stat(name string) (fs.FileInfo, error) {
	f, err := h.Tree.Open(name)
	if errors.Is(err, fs.ErrNotExist) && path.Ext(name) == ".wasm" {
		return nil, fmt.Errorf("%s was not handed over with the files: push it, and give its digest under plugins, or name it as name@digest", name)
	} else if err != nil {
		return nil, err
	}
	return f.Stat()
}

// missing lists the plugins that were asked for and are not stored.
func (h *handed) missing() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.lacking))
}
