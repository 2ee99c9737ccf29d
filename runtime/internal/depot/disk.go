package depot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/whole"
)

// disk is the directory of a depot: a file for each, named by its digest, which
// anyone may put there who may write to it.
type disk struct{ dir string } // "": none

const suffix = ".wasm"

func (d disk) name(digits string) string { return filepath.Join(d.dir, digits+suffix) }

// read returns a file whose bytes are those of its digest. The error is
// fs.ErrNotExist for none, ErrDamaged for another, or one of the file system.
func (d disk) read(digits string) ([]byte, error) {
	if d.dir == "" {
		return nil, fs.ErrNotExist
	}
	info, err := os.Stat(d.name(digits))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxSize {
		return nil, fmt.Errorf("%s: %w", d.name(digits), ErrDamaged)
	}
	file, err := os.ReadFile(d.name(digits))
	if err != nil {
		return nil, err
	}
	if err := verify(digits, file); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name(digits), err)
	}
	return file, nil
}

// write keeps a file so that after a crash it is there whole or not at all.
func (d disk) write(digits string, file []byte) error {
	if d.dir == "" {
		return nil
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	return whole.Text(d.name(digits), 0o600, file)
}

// tidy deletes what a crash has left of files that were written so long ago.
func (d disk) tidy(age time.Duration) error {
	if d.dir == "" {
		return nil
	}
	parts, err := filepath.Glob(filepath.Join(d.dir, whole.Leftover("*"+suffix)))
	for _, name := range parts {
		if info, gone := os.Stat(name); gone == nil && time.Since(info.ModTime()) > age {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// remove deletes a file; one that is not there is no error.
func (d disk) remove(digits string) error {
	if d.dir == "" {
		return nil
	}
	if err := os.Remove(d.name(digits)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// list returns the size of each file, by the digits of its digest.
func (d disk) list() (map[string]int64, error) {
	if d.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if _, err := digits(prefix + name); !ok || err != nil || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil { // else it has just gone
			out[name] = info.Size()
		}
	}
	return out, nil
}
