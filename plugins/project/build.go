package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/plugins"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// BuildError says that a compiler did not build a project.
type BuildError struct {
	Command string
	Said    string // what it wrote
	Err     error
}

func (e *BuildError) Error() string {
	return fmt.Sprintf("%s: %s\n%s", e.Command, e.Err, strings.TrimSpace(e.Said))
}

// Unwrap returns how the compiler ended.
func (e *BuildError) Unwrap() error { return e.Err }

// Built is a module that was built.
type Built struct {
	File string // that it was written to
	Wasm []byte
	Info plugins.Info
	Gate *plugins.Error // why it is not let in; nil: it is
}

// Build compiles the project, leaves out of the module what is only there for
// debuggers, puts the manifest in and writes the result to Wasm. Errors: *ToolError,
// *BuildError, ErrInput for a manifest that is not valid or a module that is none.
// A module that the gate refuses is written all the same.
func (p *Project) Build(ctx context.Context) (*Built, error) {
	if err := module.ValidateManifest(p.Manifest); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInput, filepath.Join(p.Dir, ManifestFile), err)
	}
	dir, err := os.MkdirTemp("", "sluice-plugin-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // of the system's temporary files
	raw, err := p.compile(ctx, filepath.Join(dir, "plugin.wasm"))
	if err != nil {
		return nil, err
	}
	if _, err := module.Parse(raw); err != nil {
		return nil, fmt.Errorf("%w: what the compiler wrote: %w", ErrInput, err)
	}
	wasm, err := module.AppendManifest(strip(raw), p.Manifest)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if err := os.WriteFile(p.Wasm(), wasm, 0o644); err != nil {
		return nil, err
	}
	b := &Built{File: p.Wasm(), Wasm: wasm}
	b.Info, err = plugins.Inspect(wasm)
	if err != nil && !errors.As(err, &b.Gate) {
		return nil, err
	}
	return b, nil
}

// compile runs the compiler and returns the module that it made.
func (p *Project) compile(ctx context.Context, out string) ([]byte, error) {
	t, ok := toolchainOf(p.Language)
	if !ok {
		return nil, fmt.Errorf("%w: language %q", ErrInput, p.Language)
	}
	var program string
	for i, tool := range t.needs {
		found, err := p.find(tool)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			program = found
		}
	}
	if err := t.hasLibrary(ctx); err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("OUT", out, "NAME", p.Manifest.Name, "CRATE", strings.ReplaceAll(p.Manifest.Name, "-", "_"))
	args := slices.Clone(t.args)
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = p.Dir
	cmd.Env = append(os.Environ(), t.env...)
	if said, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, &BuildError{strings.Join(append([]string{filepath.Base(program)}, t.args...), " "), string(said), err}
	}
	if t.out != "" {
		out = filepath.Join(p.Dir, filepath.FromSlash(fill.Replace(t.out)))
	}
	return readFile(out, module.MaxSize)
}

// hasLibrary returns a *ToolError when the compiler is there and cannot build modules.
func (t *toolchain) hasLibrary(ctx context.Context) error {
	if t.library == nil {
		return nil
	}
	dir, err := exec.CommandContext(ctx, t.library[0], t.library[1:]...).Output()
	if err == nil {
		_, err = os.Stat(strings.TrimSpace(string(dir)))
	}
	if err != nil {
		need := t.needs[len(t.needs)-1]
		return &ToolError{need.name + " for wasm32-unknown-unknown", need.hint}
	}
	return nil
}

// find looks a program up: among those that the project installed for itself, and
// where the system has them.
func (p *Project) find(t tool) (string, error) {
	own, err := filepath.Abs(filepath.Join(p.Dir, "node_modules", ".bin", t.name))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	found, err := exec.LookPath(t.name)
	for v := newestVersion; err != nil && t.versioned && v >= oldestVersion; v-- {
		found, err = exec.LookPath(fmt.Sprintf("%s-%d", t.name, v))
	}
	if err != nil {
		return "", &ToolError{t.name, t.hint}
	}
	return found, nil
}

// strip leaves out the custom sections of a module that was parsed: names for
// debuggers and notes of compilers.
func strip(wasm []byte) []byte {
	out := slices.Clone(wasm[:len(module.Magic)])
	for at := len(module.Magic); at < len(wasm); {
		size, n := 0, at+1
		for shift := 0; ; shift += 7 {
			b := wasm[n]
			n++
			if size |= int(b&0x7f) << shift; b < 0x80 {
				break
			}
		}
		if wasm[at] != module.SectionCustom {
			out = append(out, wasm[at:n+size]...)
		}
		at = n + size
	}
	return out
}
