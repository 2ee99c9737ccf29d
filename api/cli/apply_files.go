package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
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

// readPolicies reads the files of a directory, without those that no set has.
func readPolicies(dir string) (*policyFiles, error) {
	from, err := runtime.DirSource(dir)
	if err != nil {
		return nil, err
	}
	s, size := &policyFiles{dir: dir, from: from.Files, texts: map[string]string{}, plugins: map[string]string{}}, 0
	err = fs.WalkDir(s.from, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		hidden := name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "cue.mod")
		plugin := path.Ext(name) == ".wasm" && d != nil && d.Type().IsRegular()
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden || d.IsDir() || path.Ext(name) != ".cue" && !plugin:
			return nil
		case len(s.texts) == runtime.MaxCandidateFiles:
			return fmt.Errorf("%s has more than %d CUE files: is it the directory of a policy set?", dir, len(s.texts))
		case plugin && len(s.plugins) == runtime.MaxCandidatePlugins:
			return fmt.Errorf("%s has more than %d .wasm files: is it the directory of a policy set?", dir, len(s.plugins))
		}
		text, err := fs.ReadFile(s.from, name)
		if plugin {
			s.plugins[name] = fmt.Sprintf("sha256:%x", sha256.Sum256(text))
			return err
		}
		s.texts[name] = string(text)
		if size += len(text); err == nil && size > runtime.MaxCandidateBytes {
			return fmt.Errorf("%s has more than %d MiB of CUE", dir, runtime.MaxCandidateBytes>>20)
		}
		return err
	})
	if err == nil && len(s.texts) == 0 {
		err = fmt.Errorf("%s has no .cue file", dir)
	}
	return s, err
}

// candidateOf reads a set that is to be tried, and pushes the plugins that it needs.
func candidateOf(ctx context.Context, t terminal, at *client.Client, dir, reason string) (runtime.Candidate, error) {
	set, err := readPolicies(dir)
	if err != nil {
		return runtime.Candidate{}, environment(err)
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
