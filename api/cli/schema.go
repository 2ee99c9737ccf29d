package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-metrics/sluice/api/rest"
	"github.com/sluice-metrics/sluice/runtime"
)

func newSchema(t terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "schema",
		Short: "Give the schema of policies to other tools",
		Long: `The schema that policies import is built into Sluice, so "sluice check" needs
nothing else. Plain cue and editors have to find it too: "sluice init" and
"sluice schema export" put a copy into the repository, "sluice schema serve"
offers it as a CUE module. "sluice schema openapi" prints the document of the
HTTP API.`,
	}
	return parent(c, newSchemaServe(t), newSchemaExport(t), newSchemaOpenAPI(t))
}

func newSchemaServe(t terminal) *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the schema as a CUE module, for plain cue and editors",
		Long: `Serve the schema as a CUE module from a small OCI registry on this machine,
until Ctrl-C. It prints what to set and what to write into cue.mod/module.cue.
CUE keeps what it has fetched, so it is needed once for each version of the
schema; after that plain cue and editors work offline.

The version names the content. A later Sluice with another schema serves another
version, and never a different schema under the same one.`,
		Example: `  sluice schema serve
  sluice schema serve --listen 127.0.0.1:0     # any free port`,
		Args: noArgs,
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:5555", "address to listen on; loopback only")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return runtime.ServeSchema(c.Context(), listen, func(s runtime.SchemaServed) {
			fmt.Fprintf(t.out, `serving %s, version %s, on %s; Ctrl-C stops

In the shell of cue, or of your editor:
    export CUE_REGISTRY='%s=%s+insecure'
In cue.mod/module.cue of your repository:
    deps: %q: {v: %q, default: true}
`, s.Path, s.Version, s.Address, s.Prefix(), s.Address, s.Path, s.Version)
		})
	}
	return c
}

func newSchemaOpenAPI(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI document of the HTTP API",
		Long: `Print the OpenAPI 3.1 document of what can be asked of an instance, as JSON:
what /api/v1/openapi.json of an instance of this version answers. Generators
of clients, linters and gateways read it.`,
		Example: `  sluice schema openapi > openapi.json`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := t.out.Write(rest.Document())
			return err
		},
	}
}

func newSchemaExport(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "export DIR",
		Short: "Write the schema's files into a directory",
		Long: `Write the definitions into DIR, over those of an earlier export. Plain cue and
editors find a copy in cue.mod/pkg/github.com/sluice-metrics/sluice/schema of a
repository without any registry; "sluice init" makes it, and this command brings
it up to date.

"sluice check" and a running instance always use the schema that is built in.`,
		Example: `  sluice schema export cue.mod/pkg/github.com/sluice-metrics/sluice/schema`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return environment(fmt.Errorf("%s needs the directory to write to", c.CommandPath()))
			}
			return atMostOneArg(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			names, err := runtime.ExportSchema(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(t.out, "%s: %s\n", args[0], strings.Join(names, ", "))
			return err
		},
	}
}
