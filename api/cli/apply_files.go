package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// policyFiles is a policy set to be handed to an instance.
type policyFiles struct {
	dir     string
	from    fs.FS
	texts   map[string]string // CUE by path
	plugins map[string]string // digest of the other files that may be named by path
}

// readPolicies reads the files of a directory that are part of a set, as "sluice
// check" does. What cannot be part of one is told, and refuses the set.
func readPolicies(t terminal, dir string) (*policyFiles, error) {
	from, err := runtime.DirSource(dir)
	if err != nil {
		return nil, err
	}
	texts, found, err := runtime.ReadCandidate(from.Files)
	if err != nil {
		return nil, environment(err)
	}
	if len(found) > 0 {
		if err := renderFindings(t.err, diag.Rebase(found, from.Prefix), os.ReadFile); err != nil {
			return nil, err
		}
		return nil, rejected()
	}
	s := &policyFiles{dir: dir, from: from.Files, texts: texts, plugins: map[string]string{}}
	if err := s.findPlugins(); err != nil {
		return nil, err
	}
	return s, nil
}

// findPlugins looks for the modules that the set may name by path.
func (s *policyFiles) findPlugins() error {
	err := fs.WalkDir(s.from, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		hidden := name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "cue.mod")
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden || path.Ext(name) != ".wasm" || !d.Type().IsRegular():
			return nil
		case len(s.plugins) == runtime.MaxCandidatePlugins:
			return fmt.Errorf("%s has more than %d .wasm files: is it the directory of a policy set?", s.dir, len(s.plugins))
		}
		text, err := fs.ReadFile(s.from, name)
		s.plugins[name] = fmt.Sprintf("sha256:%x", sha256.Sum256(text))
		return err
	})
	if err != nil {
		return environment(err)
	}
	return nil
}

// candidateOf reads a set that is to be tried, and pushes the plugins that it needs.
func candidateOf(ctx context.Context, t terminal, at *client.Client, dir, reason string) (runtime.Candidate, error) {
	set, err := readPolicies(t, dir)
	if err != nil {
		return runtime.Candidate{}, err
	}
	err = set.pushPlugins(ctx, t, at, reason)
	return runtime.Candidate{Files: set.texts, Plugins: set.plugins, Reason: reason}, err
}

// pushPlugins gives the fleet the plugins that the set names by path and that it does
// not have. Of a set that is wrong otherwise none is pushed: what is wrong, the
// instance says when it is handed the set.
func (s *policyFiles) pushPlugins(ctx context.Context, t terminal, at *client.Client, reason string) error {
	known := len(s.plugins) == 0
	if !known {
		stored, err := at.Plugins(ctx)
		if err != nil {
			return err
		}
		known = !slices.ContainsFunc(slices.Collect(maps.Values(s.plugins)), func(digest string) bool {
			return !slices.ContainsFunc(stored, func(p runtime.StoredPlugin) bool { return p.Digest == digest && p.Fleet })
		})
	}
	if known {
		return nil
	}
	v, err := at.Validate(ctx, s.texts, s.plugins)
	if err != nil || slices.ContainsFunc(v.Report.Findings, func(d diag.Diagnostic) bool {
		return d.Severity == diag.Error && d.Code != diag.PluginMissing
	}) {
		return err
	}
	for _, name := range v.Lacking {
		wasm, err := fs.ReadFile(s.from, name)
		if err != nil {
			return environment(err)
		}
		p, err := at.PushPlugin(ctx, wasm, reason)
		if problem := (*client.Problem)(nil); errors.As(err, &problem) && problem.Status == http.StatusForbidden {
			return fmt.Errorf("the set names the plugin ./%s, which the fleet does not have, and to push it takes the role admin; have an admin run\n"+
				"  sluice plugin push %s\nand then run this command again, or an admin\n  sluice apply %s\n%w", name, filepath.Join(s.dir, filepath.FromSlash(name)), s.dir, err)
		} else if err != nil {
			return fmt.Errorf("plugin ./%s: %w", name, err)
		}
		if _, err := fmt.Fprintf(t.err, "plugin ./%s is pushed as %s@%s\n", name, p.Name, p.Digest); err != nil {
			return err
		}
	}
	return nil
}
