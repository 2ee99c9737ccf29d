package cli

import (
	"strconv"

	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/runtime"
)

// loadingFlags are those of commands that evaluate a policy set here.
type loadingFlags struct {
	env     string
	plugins runtime.PluginBounds
}

func (l *loadingFlags) add(f *pflag.FlagSet) {
	f.StringVar(&l.env, "env", "", "environment that the set is evaluated for (its @tag(env))")
	f.IntVar(&l.plugins.Pages, "plugin-pages", 0, "most memory of a plugin where the set is to run, in pages of 64 KiB (default 256)")
	f.StringVar(&l.plugins.Batch, "plugin-batch", "", "longest time of a plugin for a batch there (default \"50ms\")")
}

// loading says how the set is evaluated.
func (l *loadingFlags) loading() runtime.Loading {
	return runtime.Loading{Env: l.env, Plugins: l.plugins, Child: childCommand()}
}

// given is the text of a number that was given, "" for none.
func given(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
