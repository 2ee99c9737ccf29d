package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/sluice-metrics/sluice/plugins/internal/meter"
)

// What the cache of compiled modules holds is machine code that this process runs,
// so it is believed only when its seal is whole: one directory per module, limits
// and metering, in it the runtime's files and a file with their digest. A directory
// comes about under a name of its own and is put in place when it is sealed, so that
// processes that share a cache do not see each other's halves. One whose seal does
// not fit is replaced.

const sealFile = "seal"

// sealed is the directory of one module.
type sealed struct{ dir string }

// cacheFor returns where the module's code is kept, "" when it is not.
func (p *Plugin) cacheFor() sealed {
	if p.options.CacheDir == "" || p.options.Engine == Interpreter {
		return sealed{}
	}
	metered := fmt.Sprintf("m%d-%d", meter.Version, p.limits.Depth)
	if p.options.Unmetered {
		metered = "plain"
	}
	name := fmt.Sprintf("%s-%d-%s", metered, p.limits.Pages, strings.TrimPrefix(p.info.Digest, "sha256:"))
	return sealed{filepath.Join(p.options.CacheDir, name)}
}

// whole tells whether the directory is there and its seal fits.
func (s sealed) whole() bool {
	want, err := os.ReadFile(filepath.Join(s.dir, sealFile))
	if err != nil {
		return false
	}
	sum, err := s.sum()
	return err == nil && sum == string(want)
}

// What a directory is called that is not sealed yet, and how long it may be that. One
// that is left is of a process that was ended.
const (
	halfPattern = "half-*"
	halfLives   = time.Hour
)

// half makes an empty directory beside that of the module, and takes away those that
// others left.
func (s sealed) half() (sealed, error) {
	parent := filepath.Dir(s.dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return sealed{}, err
	}
	left, _ := filepath.Glob(filepath.Join(parent, halfPattern)) // the pattern is good
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > halfLives {
			_ = os.RemoveAll(dir) // the next who looks tries again
		}
	}
	dir, err := os.MkdirTemp(parent, halfPattern)
	return sealed{dir}, err
}

// put seals the directory and makes it that of the module, in place of one that is
// damaged, unless another process has done that by now. Directories are moved, so that
// nobody finds a part of one.
func (s sealed) put(as sealed) error {
	sum, err := s.sum()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, sealFile), []byte(sum), 0o600); err != nil {
		return err
	}
	for range 10 { // others may put one there, too
		if err = os.Rename(s.dir, as.dir); err == nil {
			return nil
		}
		if as.whole() {
			return os.RemoveAll(s.dir)
		}
		away := s.dir + "-damaged"
		if moved := os.Rename(as.dir, away); moved == nil {
			_ = os.RemoveAll(away) // what is left is taken away when it is old
		}
	}
	return err
}

// sum is the digest of all files but the seal, and of their names.
func (s sealed) sum() (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() || strings.HasPrefix(d.Name(), sealFile) {
			return nil
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a plain file", path)
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(h, "%q\n", strings.TrimPrefix(path, s.dir))
		_, err = io.Copy(h, f)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// compileCached compiles by way of the cache; without it when the cache cannot be
// used, which is said and does not fail.
func (p *Plugin) compileCached(ctx context.Context, wasm []byte) error {
	s := p.cacheFor()
	if s.dir == "" {
		return p.compileWith(ctx, wasm, nil)
	}
	if p.cached = s.whole(); p.cached {
		if err := p.compileIn(ctx, wasm, s); err == nil || ctx.Err() != nil {
			return err
		}
		p.cached = false
	}
	half, err := s.half()
	if err == nil {
		if err = p.compileIn(ctx, wasm, half); err == nil {
			if err := half.put(s); err != nil {
				p.trouble("a compiled plugin is not kept in the cache", errors.Join(err, os.RemoveAll(half.dir)))
			}
			return nil
		}
		err = errors.Join(err, os.RemoveAll(half.dir))
	}
	if ctx.Err() != nil {
		return err
	}
	plain := p.compileWith(ctx, wasm, nil)
	if plain == nil {
		p.trouble("the cache of compiled plugins is not used", err)
	}
	return plain
}

// compileIn compiles with what a directory holds, or into it.
func (p *Plugin) compileIn(ctx context.Context, wasm []byte, s sealed) error {
	cache, err := wazero.NewCompilationCacheWithDir(s.dir)
	if err != nil {
		return err
	}
	if err := p.compileWith(ctx, wasm, cache); err != nil {
		p.release()
		p.runtime, p.cache = nil, nil
		return err
	}
	return nil
}
