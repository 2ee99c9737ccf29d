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

	"github.com/tetratelabs/wazero"

	"github.com/sluice-metrics/sluice/plugins/internal/meter"
)

// What the cache of compiled modules holds is machine code that this process runs,
// so it is believed only when its seal is whole: one directory per module, limits
// and metering, in it the runtime's files and a file with their digest. A directory
// whose seal does not fit is emptied and filled again.

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

// open makes the directory ready: whole with its seal, or empty. hit tells which.
func (s sealed) open() (hit bool, err error) {
	want, err := os.ReadFile(filepath.Join(s.dir, sealFile))
	if err == nil {
		if sum, err := s.sum(); err == nil && sum == string(want) {
			return true, nil
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return false, err
	}
	return false, os.MkdirAll(s.dir, 0o700)
}

// seal writes the digest of what the directory holds, as the last thing.
func (s sealed) seal() error {
	sum, err := s.sum()
	if err != nil {
		return err
	}
	half := filepath.Join(s.dir, sealFile+".half")
	if err := os.WriteFile(half, []byte(sum), 0o600); err != nil {
		return err
	}
	return os.Rename(half, filepath.Join(s.dir, sealFile))
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
	hit, err := s.open()
	if err == nil {
		var cache wazero.CompilationCache
		if cache, err = wazero.NewCompilationCacheWithDir(s.dir); err == nil {
			if err = p.compileWith(ctx, wasm, cache); err == nil {
				p.keep(s, hit)
				return nil
			}
			p.release()
		}
	}
	if ctx.Err() != nil {
		return err
	}
	plain := p.compileWith(ctx, wasm, nil)
	if plain == nil {
		p.note("the cache of compiled modules is not used: %v", errors.Join(err, os.RemoveAll(s.dir)))
	}
	return plain
}

// keep seals what was compiled just now.
func (p *Plugin) keep(s sealed, hit bool) {
	if p.cached = hit; hit {
		return
	}
	if err := s.seal(); err != nil {
		p.note("what was compiled is not kept: %v", err)
	}
}
