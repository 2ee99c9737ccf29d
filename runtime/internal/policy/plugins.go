package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Plugins is where the modules that transforms name are found, and who reads them.
// Errors are for people.
type Plugins interface {
	// Get returns the module with a digest, "sha256:…".
	Get(digest string) ([]byte, error)

	// Inspect judges a module without running it, and says what it is.
	Inspect(module []byte) (PluginInfo, error)
}

// PluginInfo is what a module says about itself.
type PluginInfo struct {
	Digest   string // "sha256:…"
	Manifest abi.Manifest
}

// PluginLimits are the most that a policy may let a plugin use; 0 is as much as
// plugins can have.
type PluginLimits struct {
	Pages int
	Batch time.Duration
}

// PluginBounds are PluginLimits as a configuration has them; zero is what plugins
// can have by themselves.
type PluginBounds struct {
	Pages int    `json:"pages"` // of 64 KiB, from 1 to 1024
	Batch string `json:"batch"` // a duration from 1ms to 10s
}

// Limits reads the bounds. The error says which of them is wrong.
func (b PluginBounds) Limits() (PluginLimits, error) {
	const most, shortest, longest = 1024, time.Millisecond, 10 * time.Second
	out := PluginLimits{Pages: b.Pages}
	if b.Pages < 0 || b.Pages > most {
		return out, fmt.Errorf("pages: %d is not from 1 to %d", b.Pages, most)
	}
	if b.Batch == "" {
		return out, nil
	}
	var err error
	if out.Batch, err = ParseDuration(b.Batch); err != nil {
		return out, fmt.Errorf("batch: %w", err)
	}
	if out.Batch < shortest || out.Batch > longest {
		return out, fmt.Errorf("batch: %s is not from %v to %v", b.Batch, shortest, longest)
	}
	return out, nil
}

// Bounds of the modules of a set, in bytes.
const (
	maxModule  = 16 << 20
	maxModules = 64 << 20
)

// resolver finds the plugins of a set, and writes into its transforms what they are.
type resolver struct {
	opt   *Options
	files fs.FS // of the set; nil: it has none but its text
	read  int   // bytes of modules

	modules map[string][]byte     // by digest: those that are files of the set
	own     map[string]bool       // digests that were found among its files
	known   map[string]PluginInfo // by reference
}

// resolve returns the teams with transforms that name the digests of their plugins,
// and what is wrong with those.
func (r *resolver) resolve(ctx context.Context, teams []teamOutcome) ([]teamOutcome, []diag.Diagnostic, error) {
	var out []diag.Diagnostic
	for i, t := range teams {
		rules := t.rules()
		if rules == nil || len(rules.Transform) == 0 {
			continue
		}
		own := *t.judged // a cache may have the other
		team := *rules
		team.Transform = maps.Clone(team.Transform)
		if teams[i].judged = &own; t.Team != nil {
			own.Team = &team
		} else {
			own.Part = &team
		}
		for _, name := range sorted(team.Transform) {
			tr, found, err := r.transform(ctx, t.where, name, team.Transform[name])
			if err != nil {
				return nil, nil, err
			}
			team.Transform[name] = tr
			out = append(out, found...)
		}
	}
	return teams, out, nil
}

// transform completes one transform, unless something is wrong with its plugin.
func (r *resolver) transform(ctx context.Context, at *locator, name string, tr Transform) (Transform, []diag.Diagnostic, error) {
	wrong := func(code diag.Code, hint, message string, field ...string) []diag.Diagnostic {
		d := at.found(code, message, append([]string{"transform", name}, field...)...)
		d.Hint = hint
		return []diag.Diagnostic{d}
	}
	info, err := r.find(tr.Plugin)
	var refused *refusedModule
	switch {
	case errors.As(err, &refused):
		return tr, wrong(diag.PluginRefused, "`sluice plugin inspect` shows what a module is and what it may be", refused.Error(), "plugin"), nil
	case err != nil:
		return tr, wrong(diag.PluginMissing, missingHint(tr.Plugin), err.Error(), "plugin"), nil
	}
	m := &info.Manifest
	if named, _, pinned := strings.Cut(tr.Plugin, "@"); pinned && named != m.Name {
		return tr, wrong(diag.PluginMissing, "write "+m.Name+"@"+info.Digest, fmt.Sprintf("the plugin with this digest is %s, not %s", m.Name, named), "plugin"), nil
	}
	tr.Plugin = m.Name + "@" + info.Digest
	r.known[tr.Plugin] = info
	var found []diag.Diagnostic
	if tr.Scope != "" && tr.Scope != string(m.Scope) {
		found = wrong(diag.PluginScope, "write scope: \""+string(m.Scope)+"\", or nothing", fmt.Sprintf("plugin %s is for scope %s, not %s", m.Name, m.Scope, tr.Scope), "scope")
	}
	tr.Scope = string(m.Scope)
	if tr.Shadow > 0 && m.Scope == abi.SeriesScope {
		found = append(found, wrong(diag.PluginScope, "compare with `sluice plan`, which shows what a plugin changes", "a plugin of scope series is not tried on a share of batches: it sees each series once", "shadow")...)
	}
	found = append(found, r.limits(m, &tr, wrong)...)
	for i, label := range tr.Writes {
		if all := m.Writes.Labels; !slices.Contains(all, everyLabel) && !slices.Contains(all, label) {
			found = append(found, wrong(diag.PluginLimits, "a transform can name some of the labels that the manifest does, and no others: `sluice plugin inspect` shows them",
				fmt.Sprintf("plugin %s does not change label %s", m.Name, label), "writes", strconv.Itoa(i))...)
		}
	}
	config, faults, err := r.config(ctx, m, tr.Config)
	if err != nil {
		return tr, nil, err
	}
	for _, f := range faults {
		found = append(found, wrong(diag.PluginConfig, f.Hint, fmt.Sprintf("plugin %s %s: %s", m.Name, m.Version, f.Message), append([]string{"config"}, f.Path...)...)...)
	}
	tr.Config = config
	return tr, found, nil
}

// missingHint says how a plugin that is not there comes to be.
func missingHint(ref string) string {
	if strings.Contains(ref, "@") {
		return "push it to the fleet with `sluice plugin push`; or put its .wasm among the files of the set, where commands that ask no instance, such as check, find it by its digest, too"
	}
	return "name a file of the set, from its root; or push the plugin with `sluice plugin push` and name it as that prints"
}

// limits compares what a transform and its plugin want with what they may have.
func (r *resolver) limits(m *abi.Manifest, tr *Transform, wrong func(code diag.Code, hint, message string, field ...string) []diag.Diagnostic) (found []diag.Diagnostic) {
	most := r.opt.PluginLimits
	const hint = "the operator of the instance sets the most that plugins may use: --plugin-pages and --plugin-batch of `sluice run`, and of the command that checks"
	if pages := cmp.Or(tr.Limits.Pages, m.Limits.Pages); most.Pages > 0 && pages > most.Pages {
		field := []string{"limits", "pages"}
		message := fmt.Sprintf("pages is %d, and plugins may have %d here", pages, most.Pages)
		if tr.Limits.Pages == 0 {
			field, message = []string{"plugin"}, fmt.Sprintf("plugin %s asks for %d pages of memory, and plugins may have %d here", m.Name, pages, most.Pages)
		}
		found = append(found, wrong(diag.PluginLimits, hint, message, field...)...)
	}
	if d, err := ParseDuration(tr.Limits.Batch); err == nil && most.Batch > 0 && d > most.Batch {
		found = append(found, wrong(diag.PluginLimits, hint, fmt.Sprintf("batch is %s, and a batch may take %s here", tr.Limits.Batch, most.Batch), "limits", "batch")...)
	}
	return found
}

// refusedModule is a module that is there and is not let in.
type refusedModule struct{ why string }

func (r *refusedModule) Error() string { return r.why }

// find reads the module that a transform names.
func (r *resolver) find(ref string) (PluginInfo, error) {
	if info, ok := r.known[ref]; ok {
		return info, nil
	}
	if r.opt.Plugins == nil {
		return PluginInfo{}, errors.New("there are no plugins here")
	}
	_, digest, pinned := strings.Cut(ref, "@")
	var module []byte
	var err error
	if pinned {
		module, err = r.pinned(digest)
	} else {
		module, err = r.file(strings.TrimPrefix(ref, "./"))
	}
	if err != nil {
		return PluginInfo{}, err
	}
	info, err := r.opt.Plugins.Inspect(module)
	if err != nil {
		return PluginInfo{}, &refusedModule{fmt.Sprintf("the plugin is not let in: %v", err)}
	}
	if pinned && info.Digest != digest {
		return PluginInfo{}, fmt.Errorf("the plugin that is kept under this digest has another: %s", info.Digest)
	}
	if !pinned || r.own[info.Digest] {
		r.modules[info.Digest] = module
	}
	r.known[ref] = info
	return info, nil
}

// pinned returns the module with a digest: one that is stored or, where there is no
// store, such as in CI, one that lies beside the policies.
func (r *resolver) pinned(digest string) ([]byte, error) {
	module, missing := r.opt.Plugins.Get(digest)
	if missing == nil || r.files == nil {
		return module, missing
	}
	err := fs.WalkDir(r.files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case leftOut(d.Name()) && name != "." && d.IsDir():
			return fs.SkipDir
		case path.Ext(name) != ".wasm" || !d.Type().IsRegular():
			return nil
		}
		b, err := r.file(name)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(b); "sha256:"+hex.EncodeToString(sum[:]) == digest {
			module, r.own[digest] = b, true
			return fs.SkipAll
		}
		return nil
	})
	if err != nil || module == nil {
		return nil, missing
	}
	return module, nil
}

// file reads a module of the set. No part of its path may be a symbolic link.
func (r *resolver) file(name string) ([]byte, error) {
	if r.files == nil {
		return nil, fmt.Errorf("the set has no file %s", name)
	}
	for at := name; at != "."; at = path.Dir(at) {
		info, err := fs.Lstat(r.files, at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("the set has no file %s", name)
		case err != nil:
			return nil, err
		case info.Mode()&fs.ModeSymlink != 0, at == name && !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is not a regular file; a policy set has no symbolic links", at)
		}
	}
	f, err := r.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	module, err := readUpTo(f, maxModule)
	if r.read += len(module); err == nil && r.read > maxModules {
		err = fmt.Errorf("the plugins of the set have more than %d MiB", maxModules>>20)
	}
	return module, err
}

// config checks the config of a transform against the schema of its plugin, and
// returns it with what the schema fills in.
func (r *resolver) config(ctx context.Context, m *abi.Manifest, config map[string]any) (map[string]any, []configFault, error) {
	if m.Config == "" && len(config) > 0 {
		return config, []configFault{{Message: "it takes no config", Hint: "its manifest has no schema for one"}}, nil
	}
	if m.Config == "" {
		return nil, nil, nil
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, nil, fmt.Errorf("config of plugin %s: %w", m.Name, err)
	}
	if config == nil {
		text = []byte("{}")
	}
	work := configWork{Schema: m.Config, Config: text}
	out, err := r.opt.Cache.config(work, func() (configOutcome, error) { return r.opt.judgeConfig(ctx, work) })
	if err != nil || len(out.Wrong) > 0 {
		return config, out.Wrong, err
	}
	var full map[string]any
	if err := json.Unmarshal(out.Config, &full); err != nil {
		return nil, nil, fmt.Errorf("config of plugin %s: %w", m.Name, err)
	}
	return full, nil, nil
}

// transforms looks at what needs no plugin.
func (c *checker) transforms() {
	for _, name := range sorted(c.team.Transform) {
		t := c.team.Transform[name]
		c.ordered(t.Ordered, "transform", name)
		if t.Limits.Batch != "" {
			c.duration(t.Limits.Batch, time.Millisecond, "transform", name, "limits", "batch")
		}
	}
}
