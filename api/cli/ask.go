package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/api/client"
)

// questions are the flags of the commands that ask a running instance and draw
// what it answers.
type questions struct {
	*asking
	format string
}

func questionFlags(f *pflag.FlagSet) *questions {
	q := &questions{asking: instanceFlags(f)}
	formatFlag(f, &q.format)
	return q
}

// formatFlag adds the flag of an answer for people or for programs, and a short form
// of it. Without names of formats, these are pretty and json; the first one is the
// default.
func formatFlag(f *pflag.FlagSet, to *string, names ...string) {
	if len(names) == 0 {
		names = []string{"pretty", "json"}
	}
	last := len(names) - 1
	f.StringVar(to, "format", names[0], strings.Join(names[:last], ", ")+" or "+names[last])
	f.VarPF((*jsonFormat)(to), "json", "", "the same as --format json").NoOptDefVal = "true"
}

// jsonFormat is the value of a flag that sets a format to json.
type jsonFormat string

func (j *jsonFormat) String() string { return "false" }
func (j *jsonFormat) Type() string   { return "bool" }

func (j *jsonFormat) Set(text string) error {
	if yes, err := strconv.ParseBool(text); err != nil || !yes {
		return err
	}
	*j = "json"
	return nil
}

// check refuses a format that there is none of.
func (q *questions) check() error { return checkFormat(q.format) }

func checkFormat(format string) error {
	if format != "pretty" && format != "json" {
		return environment(fmt.Errorf("--format is %q; want pretty or json", format))
	}
	return nil
}

// open returns a client once the flags are right.
func (q *questions) open() (*client.Client, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	return q.client()
}

// printJSON writes a value for programs.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// fitted cuts a text to n characters, the last of which says so; 0: all of it.
func fitted(s string, n int) string {
	if n <= 0 {
		return s
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// fittedName cuts a name to n characters, n > 1, in its middle: names of metrics begin alike.
func fittedName(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	head := (n - 1) / 3
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}
