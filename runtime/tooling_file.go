package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile gives a file its new text all at once: whoever reads it sees the old
// text or the new one, also when this process is killed. The mode stays; a new file
// gets 0644. The error wraps ErrConfig.
func replaceFile(name string, text []byte) error {
	mode := fs.FileMode(0o644)
	switch info, err := os.Stat(name); {
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := writeBeside(name, text, mode); err != nil {
		return fmt.Errorf("%w: write %s: %w", ErrConfig, name, err)
	}
	return nil
}

// writeBeside writes a file next to name and gives it that name when it is complete.
func writeBeside(name string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
