// Package secret resolves references to secrets. It never keeps a value and
// never puts one into an error; where secrets come from and what they open is
// not its business.
package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// MaxBytes is the size that a secret in a file may have.
const MaxBytes = 64 << 10

const (
	envScheme  = "env://"
	fileScheme = "file://"
)

// Resolve returns the secret that ref names now: env://NAME is an environment
// variable, file:///PATH a file whose last line break does not count. It reads
// anew at every call, so a secret may be rotated while Sluice runs. A reference
// of another form, a secret that is not there, and an empty one are errors;
// they name the reference and never the value.
func Resolve(ref string) (string, error) {
	var value string
	var err error
	switch {
	case strings.HasPrefix(ref, envScheme):
		value, err = fromEnv(ref[len(envScheme):])
	case strings.HasPrefix(ref, fileScheme):
		value, err = fromFile(ref[len(fileScheme):])
	default:
		// What stands there may be the secret itself: it is not repeated.
		return "", errors.New("a secret is written as a reference: env://NAME or file:///path")
	}
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", ref, err)
	}
	if value == "" {
		return "", fmt.Errorf("secret %s is empty", ref)
	}
	return value, nil
}

func fromEnv(name string) (string, error) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return "", errors.New("there is no such environment variable")
	}
	return value, nil
}

func fromFile(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", errors.New("the path must be absolute: file:///path")
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO that nobody writes would hold it up
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() { // a device may never end
		return "", errors.New("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return "", err
	}
	if len(b) > MaxBytes {
		return "", fmt.Errorf("the file has more than %d bytes", MaxBytes)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}
