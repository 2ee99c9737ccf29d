package cli

import (
	"encoding/json"
	"fmt"
	"io"

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
	f.StringVar(&q.format, "format", "pretty", "pretty or json")
	return q
}

// check refuses a format that there is none of.
func (q *questions) check() error {
	if q.format != "pretty" && q.format != "json" {
		return environment(fmt.Errorf("--format is %q; want pretty or json", q.format))
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
