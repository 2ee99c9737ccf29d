package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/confine"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/transform"
)

// pluginArgument makes a child process try a plugin: who pushes one may be no
// operator, and what compiling costs is known only when it is done.
const pluginArgument = "plugin"

// pluginLimits bound such a process; what it writes are the compiled forms of modules.
var pluginLimits = confine.Limits{CPU: 30 * time.Second, Wall: 40 * time.Second, Memory: 1 << 30, File: 512 << 20}

// Bounds of what a child says.
const (
	maxPluginAnswer = 64 << 10
	maxPluginTold   = 4 << 10
)

// pluginRequest is what such a process reads.
type pluginRequest struct {
	Wasm    []byte         `json:"wasm"`
	Cache   string         `json:"cache"`   // directory of compiled modules; "": none
	Plugins PluginBounds   `json:"plugins"` // what it may use itself
	Limits  confine.Limits `json:"limits"`
}

// pluginAnswer is what it writes.
type pluginAnswer struct {
	Code    abi.Code `json:"code"` // 0: the plugin can be loaded
	Step    string   `json:"step,omitempty"`
	Message string   `json:"message,omitempty"`
}

// pluginCache is the directory of compiled modules; "" without a data directory.
func (r *Runtime) pluginCache() string {
	if r.cfg.DataDir == "" {
		return ""
	}
	return filepath.Join(pluginDir(r.cfg.DataDir), "compiled")
}

// tryPlugin loads a plugin in a process of its own, which leaves what it compiled in
// the cache. The error is a *plugins.Error when the plugin is at fault. An instance
// that was given no program to start tries it here.
func (r *Runtime) tryPlugin(ctx context.Context, wasm []byte) error {
	if len(r.opts.Child) == 0 {
		return loadable(ctx, wasm, r.pluginCache(), r.cfg.Plugins)
	}
	request, err := json.Marshal(pluginRequest{wasm, r.pluginCache(), r.cfg.Plugins, pluginLimits})
	if err != nil {
		return fmt.Errorf("try plugin: %w", err)
	}
	out, told := confine.Capped{Left: maxPluginAnswer}, &confine.Capped{Left: maxPluginTold}
	work := confine.Work{Command: append(slices.Clone(r.opts.Child), pluginArgument), Limits: pluginLimits, In: request, Out: &out, Told: told}
	err = work.Run(ctx)
	if met := (*confine.MetError)(nil); errors.As(err, &met) {
		return &plugins.Error{Code: abi.CompileTimeout, Step: plugins.StepCompile, Record: -1, Message: met.Error(), Err: met}
	} else if err != nil {
		return fmt.Errorf("try plugin: %w", err)
	}
	var a pluginAnswer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return fmt.Errorf("try plugin: answer of the child process: %w", err)
	}
	if a.Code != 0 {
		return &plugins.Error{Code: a.Code, Step: a.Step, Record: -1, Message: a.Message}
	}
	return nil
}

// loadable says why a plugin cannot be loaded within the bounds that plugins have
// here. One that wants another config than none may still be: what config it gets,
// policies say.
func loadable(ctx context.Context, wasm []byte, cache string, most PluginBounds) error {
	info, err := plugins.Inspect(wasm)
	if err != nil {
		return err
	}
	limits := transform.LimitsOf(&policy.TransformLimits{}, &info.Manifest, limitsOf(most))
	p, err := plugins.Load(ctx, wasm, plugins.Options{CacheDir: cache, Limits: limits})
	if err != nil {
		if fault := (*plugins.Error)(nil); errors.As(err, &fault) && fault.Step == plugins.StepInit && fault.Code == abi.BadConfig {
			return nil
		}
		return err
	}
	return p.Close(ctx)
}

// tryPluginHere is the other side of tryPlugin.
func tryPluginHere(in io.Reader, out io.Writer) error {
	var q pluginRequest
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	stop, err := confine.Bound(q.Limits)
	if err != nil {
		return err
	}
	defer stop()
	var a pluginAnswer
	err = loadable(context.Background(), q.Wasm, q.Cache, q.Plugins)
	if fault := (*plugins.Error)(nil); errors.As(err, &fault) {
		a = pluginAnswer{fault.Code, fault.Step, fault.Message}
	} else if err != nil {
		return err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	_, err = io.Copy(out, bytes.NewReader(text))
	return err
}
