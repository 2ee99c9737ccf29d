package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/runtime"
)

// durationFlag adds a flag for a length of time, written as policies write it.
func durationFlag(f *pflag.FlagSet, to *time.Duration, name string, value time.Duration, usage string) {
	*to = value
	f.Var((*durationValue)(to), name, usage)
}

type durationValue time.Duration

func (d *durationValue) Type() string { return "duration" }

func (d *durationValue) Set(text string) error {
	length, err := runtime.ParseDuration(text)
	if err != nil {
		if length, err = time.ParseDuration(text); err != nil { // 1.5s, and what is below 0
			return errors.New("want a duration such as 30s, 1h30m or 7d")
		}
	}
	*d = durationValue(length)
	return nil
}

// String is without the units that are 0, 10m for 10m0s; a default of 0 is not shown.
func (d *durationValue) String() string {
	if *d == 0 {
		return ""
	}
	s := time.Duration(*d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
