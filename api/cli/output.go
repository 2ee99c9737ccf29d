package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile gives a file of the user what write writes, all at once: when that
// fails, what was there before stays. What is no regular file, such as a pipe, is
// written as it comes. Errors of the file are errors of the environment.
func writeFile(name string, write func(io.Writer) error) error {
	target, mode := name, fs.FileMode(0o644)
	switch info, err := os.Stat(name); {
	case err == nil && info.IsDir():
		return environment(fmt.Errorf("%s is a directory; name a file", name))
	case err == nil && !info.Mode().IsRegular():
		return writeThrough(name, write)
	case err == nil:
		mode = info.Mode().Perm()
		if target, err = filepath.EvalSymlinks(name); err != nil {
			return environment(err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return environment(err)
	}
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return environment(fmt.Errorf("%s cannot be written: %w", name, err))
	}
	if err := errors.Join(write(f), f.Chmod(mode), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return errors.Join(environment(err), os.Remove(f.Name()))
	}
	return nil
}

func writeThrough(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return environment(err)
	}
	return errors.Join(write(f), f.Close())
}
