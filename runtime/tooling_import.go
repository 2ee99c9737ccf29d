package runtime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/internal/relabel"
)

// Relabelled is a policy that was made of relabelling steps of Prometheus.
type Relabelled struct {
	Text    []byte // CUE, formatted
	List    string // which list of the file it was, "" when the file is one list
	Steps   int    // in the list
	Exact   int    // that do the same as before
	Differ  int    // that do almost the same; comments say what not
	LeftOut int    // that have no rule; comments say why
}

// ImportRelabel makes a policy of a list of steps in a configuration of Prometheus.
// name is the file for messages and comments, list the one to take where there are
// several. The error wraps ErrRejected for a file that cannot be read as such a
// configuration, and ErrConfig for a list or team that cannot be.
func ImportRelabel(name string, text []byte, list, team string) (Relabelled, error) {
	if !teamName.MatchString(team) {
		return Relabelled{}, fmt.Errorf("%w: team: %q cannot be the name of a team: write 2 to 63 lower-case letters, digits and hyphens", ErrConfig, team)
	}
	lists, err := relabel.Read(name, text)
	if err != nil {
		return Relabelled{}, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	names := make([]string, len(lists))
	for i, l := range lists {
		names[i] = l.Name
	}
	at := 0
	switch i := slices.Index(names, list); {
	case list != "" && i < 0:
		return Relabelled{}, fmt.Errorf("%w: list: %s has no %s; it has %s", ErrConfig, name, list, strings.Join(names, ", "))
	case list != "":
		at = i
	case len(lists) > 1:
		return Relabelled{}, fmt.Errorf("%w: %s has several lists, each for series of its own; choose one with --list: %s", ErrConfig, name, strings.Join(names, ", "))
	}
	out, n, err := relabel.Policy(lists[at], team, name)
	if err != nil {
		return Relabelled{}, err
	}
	return Relabelled{out, names[at], n.Steps, n.Exact, n.Differ, n.LeftOut}, nil
}
