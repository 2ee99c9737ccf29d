package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sluice-metrics/sluice/runtime/whole"
)

// writeFile gives a file of the user what write writes, all at once: when that
// fails, what was there before stays. What is no regular file, such as a pipe, is
// written as it comes. Errors of the file are errors of the environment.
func writeFile(name string, write func(io.Writer) error) error {
	switch info, err := os.Stat(name); {
	case err == nil && info.IsDir():
		return environment(fmt.Errorf("%s is a directory; name a file", name))
	case err == nil && !info.Mode().IsRegular():
		return writeThrough(name, write)
	}
	mode, err := whole.Mode(name, 0o644)
	if err != nil {
		return environment(err)
	}
	var wrong error
	err = whole.Write(name, mode, func(w io.Writer) error {
		wrong = write(w)
		return wrong
	})
	if err != nil && wrong == nil {
		return environment(err)
	}
	return err
}

func writeThrough(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return environment(err)
	}
	return errors.Join(write(f), f.Close())
}
