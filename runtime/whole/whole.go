// Package whole writes files all at once: whoever reads one sees what was there before
// or all of what is new, also when the process is killed in between. It knows nothing
// of what is in them.
package whole

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Mode returns the mode of a file, or another one where there is no such file yet. Any
// other error of the file system is returned.
func Mode(name string, otherwise fs.FileMode) (fs.FileMode, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return otherwise, nil
	} else if err != nil {
		return 0, err
	}
	return info.Mode().Perm(), nil
}

// Write gives a file a mode and what write writes. Where name is a link, that is the
// file that it leads to. It is written beside it, as a hidden file whose name Leftover
// matches, which has gone when Write returns. The error is that of write, or of the
// file system; the file is then as it was.
func Write(name string, mode fs.FileMode, write func(io.Writer) error) error {
	target, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		target = name
	} else if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(target), Leftover(filepath.Base(target)))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s cannot be written: %w", name, &fs.PathError{Op: "open", Path: filepath.Dir(target), Err: syscall.ENOENT})
	} else if err != nil {
		return fmt.Errorf("%s cannot be written: %w", name, err)
	}
	err = write(f)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Text is Write of a text that is there already.
func Text(name string, mode fs.FileMode, text []byte) error {
	return Write(name, mode, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Leftover is the pattern of the names that files have while they are written, so that
// what a crash has left can be found; base is the name, without a directory, or itself
// a pattern.
func Leftover(base string) string { return "." + base + ".*.part" }
