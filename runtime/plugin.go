package runtime

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/depot"
)

// Errors about plugins.
var (
	ErrNoPlugin       = errors.New("no such plugin")
	ErrPluginUsed     = errors.New("the plugin is in use")
	ErrPluginRejected = errors.New("the plugin is refused") // what is wrong with it, a *plugins.Error says
	ErrPluginsFull    = errors.New("there is no room for the plugin")
)

// MaxPlugin is the most bytes that a plugin may have.
const MaxPlugin = depot.MaxSize

// StoredPlugin is a plugin that policies can refer to, as Name@Digest.
type StoredPlugin struct {
	Name    string    `json:"name"`              // as its manifest has it
	Version string    `json:"version"`           // as its manifest has it
	Digest  string    `json:"digest"`            // sha256: and 64 hexadecimal digits
	Summary string    `json:"summary,omitempty"` // as its manifest has it
	Scope   string    `json:"scope"`             // series or sample
	Size    int64     `json:"size"`              // bytes
	By      string    `json:"by,omitempty"`      // who pushed it
	From    string    `json:"from,omitempty"`    // the address that it was pushed from
	At      time.Time `json:"at,omitzero"`       // when it was pushed
	Fleet   bool      `json:"fleet"`             // every instance has it; else it is in the directory of this one alone
	UsedBy  []string  `json:"used_by,omitempty"` // transforms of the policies in force, as team/name
	Damaged string    `json:"damaged,omitempty"` // why it cannot be used
}

// PluginDetails is all that is told about a plugin.
type PluginDetails struct {
	StoredPlugin
	Manifest json.RawMessage `json:"manifest"` // what the plugin says about itself: name, version, abi, scope, config, needs, writes, limits
	Imports  []string        `json:"imports"`  // functions that it calls, with their types
	Figures  []PluginFigure  `json:"figures"`  // its sizes
}

// PluginFigure is one size of a plugin, and the most that it may be.
type PluginFigure struct {
	Name  string `json:"name"`  // of what
	Value int    `json:"value"` // how much of it the plugin has
	Most  int    `json:"most"`  // how much it may have
}

// fleetLog is the log of the fleet, however far it was read; nil before Run.
func (r *Runtime) fleetLog() control.Log {
	if log := r.control.Load(); log != nil {
		return log
	}
	return nil
}

func pluginDir(dataDir string) string {
	if dataDir == "" {
		return ""
	}
	return filepath.Join(dataDir, "plugins")
}

// keepPlugins is the part that has the directory hold what was pushed to the fleet.
func (r *Runtime) keepPlugins(ctx context.Context, ready func()) error {
	ready()
	r.depot.Follow(ctx)
	return nil
}

// StoredPlugins lists the plugins that policies can refer to, by name, version and digest.
func (r *Runtime) StoredPlugins() ([]StoredPlugin, error) {
	entries, err := r.depot.List()
	if err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	used := r.pluginsUsed()
	out := make([]StoredPlugin, len(entries))
	for i := range entries {
		out[i] = r.stored(&entries[i], used)
	}
	slices.SortFunc(out, func(a, b StoredPlugin) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Digest, b.Digest))
	})
	return out, nil
}

// aboutPlugin is what the depot keeps beside a plugin, so that a list needs not read it.
type aboutPlugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Summary string `json:"summary,omitempty"`
	Scope   string `json:"scope"`
}

func aboutOf(info *plugins.Info) aboutPlugin {
	m := &info.Manifest
	return aboutPlugin{m.Name, m.Version, m.Summary, string(m.Scope)}
}

// stored describes an entry of the depot. What nobody has said of it, it says itself.
func (r *Runtime) stored(e *depot.Entry, used map[string][]string) StoredPlugin {
	out := StoredPlugin{Digest: e.Digest, Size: e.Size, By: e.By, From: e.From, At: e.At, Fleet: e.Fleet, UsedBy: used[e.Digest]}
	var about aboutPlugin
	if e.About == nil || json.Unmarshal(e.About, &about) != nil {
		wasm, err := r.depot.Get(e.Digest)
		if err == nil {
			var info plugins.Info
			info, err = plugins.Inspect(wasm)
			about = aboutOf(&info)
		}
		if err != nil {
			out.Damaged = err.Error()
		}
	}
	out.Name, out.Version, out.Summary, out.Scope = about.Name, about.Version, about.Summary, about.Scope
	return out
}

// Plugin describes one plugin, by its digest or the first digits of it, or by
// name@digest. Errors: ErrNoPlugin, also for digits that several begin with.
func (r *Runtime) Plugin(digest string) (PluginDetails, error) {
	p, err := r.findPlugin(digest)
	if err != nil {
		return PluginDetails{}, err
	}
	out := PluginDetails{StoredPlugin: p, Imports: []string{}, Figures: []PluginFigure{}}
	wasm, err := r.depot.Get(p.Digest)
	if err != nil {
		out.Damaged = err.Error()
		out.Manifest = json.RawMessage("{}")
		return out, nil
	}
	info, err := plugins.Inspect(wasm)
	if err != nil {
		out.Damaged = err.Error()
	}
	if out.Manifest, err = json.Marshal(info.Manifest); err != nil {
		return PluginDetails{}, fmt.Errorf("manifest of %s: %w", p.Digest, err)
	}
	for _, s := range info.Imports {
		out.Imports = append(out.Imports, s.Name+" "+s.Type)
	}
	for _, f := range info.Figures {
		out.Figures = append(out.Figures, PluginFigure(f))
	}
	return out, nil
}

// PluginModule returns the digest and the module of a plugin that is named as for
// Plugin. Errors: ErrNoPlugin, or why it cannot be used.
func (r *Runtime) PluginModule(digest string) (string, []byte, error) {
	p, err := r.findPlugin(digest)
	if err != nil {
		return "", nil, err
	}
	wasm, err := r.depot.Get(p.Digest)
	if err != nil {
		return "", nil, depotProblem(err)
	}
	return p.Digest, wasm, nil
}

// leastDigits is how many digits of a digest say which one is meant.
const leastDigits = 6

func (r *Runtime) findPlugin(digest string) (StoredPlugin, error) {
	name, digits, named := strings.Cut(digest, "@")
	if !named {
		name, digits = "", digest
	}
	digits = strings.TrimPrefix(digits, "sha256:")
	if len(digits) < leastDigits {
		return StoredPlugin{}, fmt.Errorf("%w: %q; write a digest, or %d digits of it or more", ErrNoPlugin, digest, leastDigits)
	}
	all, err := r.StoredPlugins()
	if err != nil {
		return StoredPlugin{}, err
	}
	found := slices.DeleteFunc(all, func(p StoredPlugin) bool {
		return !strings.HasPrefix(p.Digest, "sha256:"+digits) || named && p.Name != name
	})
	switch len(found) {
	case 0:
		return StoredPlugin{}, fmt.Errorf("%w: %q", ErrNoPlugin, digest)
	case 1:
		return found[0], nil
	}
	return StoredPlugin{}, fmt.Errorf("%w: %q is the beginning of %d; write more digits", ErrNoPlugin, digest, len(found))
}

// PushPlugin lets a plugin in and stores it for the whole fleet: it is judged, and
// compiled in a process of its own, before anyone else sees it. One that is there
// already stays as it is. Errors: ErrPluginRejected with a *plugins.Error,
// ErrPluginsFull, ErrNotReady, ErrUnreachable.
func (r *Runtime) PushPlugin(ctx context.Context, by Actor, wasm []byte) (StoredPlugin, error) {
	info, err := plugins.Inspect(wasm)
	if err == nil {
		err = r.tryPlugin(ctx, wasm)
	}
	if fault := (*plugins.Error)(nil); errors.As(err, &fault) {
		return StoredPlugin{}, fmt.Errorf("%w: %w", ErrPluginRejected, fault)
	} else if err != nil {
		return StoredPlugin{}, err
	}
	if err := r.keepForFleet(ctx, by, wasm, &info); err != nil {
		return StoredPlugin{}, err
	}
	return r.findPlugin(info.Digest)
}

// keepForFleet stores a plugin for the whole fleet.
func (r *Runtime) keepForFleet(ctx context.Context, by Actor, wasm []byte, info *plugins.Info) error {
	about, err := json.Marshal(aboutOf(info))
	if err != nil {
		return fmt.Errorf("plugin %s: %w", info.Digest, err)
	}
	if _, err := r.depot.Put(ctx, wasm, depot.Entry{About: about, By: by.Name, From: by.Address}); err != nil {
		return depotProblem(err)
	}
	return nil
}

// depotProblem gives an error of the depot its kind.
func depotProblem(err error) error {
	for _, k := range []struct{ is, kind error }{
		{depot.ErrFull, ErrPluginsFull}, {depot.ErrTooLarge, ErrPluginsFull}, {depot.ErrNotLoaded, ErrNotReady},
		{depot.ErrUnknown, ErrNoPlugin}, {depot.ErrDeleted, ErrNoPlugin}, {depot.ErrDigest, ErrNoPlugin},
		{context.Canceled, context.Canceled}, {context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		if errors.Is(err, k.is) {
			return fmt.Errorf("%w: %w", k.kind, err)
		}
	}
	return fmt.Errorf("%w: control topic: %w", ErrUnreachable, err)
}
