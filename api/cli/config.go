package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
)

// settings collects an instance's configuration: defaults, then the file, then
// SLUICE_* variables, then flags.
type settings struct {
	file        string
	defaultFile string // is read when it is there and --config names no other
	flags       *pflag.FlagSet
	apply       []func(*runtime.Config) // one per flag; sets the field when the flag was given
}

// defaultConfigFile is that of all commands but the demo.
const defaultConfigFile = "sluice.cue"

// newSettings adds the flags that every command has which needs a configuration.
// With no default file, only --config names one.
func newSettings(flags *pflag.FlagSet, defaultFile string) *settings {
	s := &settings{flags: flags, defaultFile: defaultFile}
	usage := "configuration file"
	if defaultFile != "" {
		usage += fmt.Sprintf(" (default %q where there is one)", defaultFile)
	}
	flags.StringVar(&s.file, "config", "", usage)
	s.text("log-format", "text or json", func(c *runtime.Config) *string { return &c.Log.Format })
	s.text("log-level", "debug, info, warn or error", func(c *runtime.Config) *string { return &c.Log.Level })
	return s
}

// What an instance uses its address and its token for.
const (
	listenUsage = "address of the HTTP endpoints (default \"127.0.0.1:7070\")"
	tokenUsage  = "reference to a bearer token that may do everything, such as env://SLUICE_TOKEN"
)

// listen adds where an instance is reached and with which token.
func (s *settings) listen(usage, tokenUsage string) {
	s.text("listen", usage, func(c *runtime.Config) *string { return &c.Listen })
	s.text("listen-token", tokenUsage, func(c *runtime.Config) *string { return &c.ListenToken })
}

// secured adds who may ask an instance, and how that is encrypted.
func (s *settings) secured() {
	tls := func(c *runtime.Config) *runtime.ListenTLS {
		if c.ListenTLS == nil {
			c.ListenTLS = &runtime.ListenTLS{}
		}
		return c.ListenTLS
	}
	s.text("tokens", "file of tokens with roles, see 'sluice token'; beyond loopback, this or --listen-token is needed", func(c *runtime.Config) *string { return &c.Tokens })
	s.oidc()
	s.text("listen-cert", "file of the certificate of the HTTP endpoints; needed beyond loopback", func(c *runtime.Config) *string { return &tls(c).Cert })
	s.text("listen-key", "file of its key", func(c *runtime.Config) *string { return &tls(c).Key })
	s.text("listen-client-ca", "file of the certificates that client certificates must lead to; their roles are in --tokens", func(c *runtime.Config) *string { return &tls(c).ClientCA })
	s.yes("listen-insecure", "listen beyond loopback without a certificate: something in front encrypts", func(c *runtime.Config) *bool { return &tls(c).Elsewhere })
}

// oidc adds the issuer whose tokens let in.
func (s *settings) oidc() {
	oidc := func(c *runtime.Config) *runtime.OIDC {
		if c.OIDC == nil {
			c.OIDC = &runtime.OIDC{NameClaim: "sub", RoleClaim: "groups"}
		}
		return c.OIDC
	}
	s.text("oidc-issuer", "address of an OpenID Connect issuer whose tokens let in, too, such as https://login.example.com", func(c *runtime.Config) *string { return &oidc(c).Issuer })
	s.text("oidc-audience", "what the claim aud of its tokens must name", func(c *runtime.Config) *string { return &oidc(c).Audience })
	s.text("oidc-name-claim", "claim with the name for the audit (default \"sub\")", func(c *runtime.Config) *string { return &oidc(c).NameClaim })
	s.text("oidc-role-claim", "claim whose values give roles (default \"groups\")", func(c *runtime.Config) *string { return &oidc(c).RoleClaim })
	s.list("oidc-role", "role of a value of that claim: VALUE=ROLE or VALUE=ROLE:TEAM, such as metrics-admins=admin,orders=operator:orders", func(c *runtime.Config) *[]string { return &oidc(c).Roles })
}

// instance adds what every instance needs, be it a demo.
func (s *settings) instance() {
	s.secured()
	s.text("data-dir", "directory for everything that is kept; without it, what is stored is gone at the end", func(c *runtime.Config) *string { return &c.DataDir })
	s.text("policies", "source of the policy set: a directory, a git repository, as git+https://HOST/REPO?ref=main, or topic for what was pushed; without it the built-in default set runs", func(c *runtime.Config) *string { return &c.Policies })
	s.text("env", "environment that the policy set is evaluated for (its @tag(env))", func(c *runtime.Config) *string { return &c.Env })
	s.text("cache-bytes", "bound on the memory for series, over all partitions (default \"256MiB\")", func(c *runtime.Config) *string { return &c.CacheBytes })
	s.number("plugin-pages", "most memory that policies may let a plugin use, in pages of 64 KiB (default 256)", func(c *runtime.Config) *int { return &c.Plugins.Pages })
	s.text("plugin-batch", "longest time that policies may let a plugin take for a batch (default \"50ms\")", func(c *runtime.Config) *string { return &c.Plugins.Batch })
	s.list("egress-allow", "networks that remote write may reach besides public addresses, such as 10.0.0.0/8", func(c *runtime.Config) *[]string { return &c.EgressAllow })
}

// changes adds how policies may change while the instance runs.
func (s *settings) changes() {
	s.yes("allow-push", "let policies be pushed although --policies is a directory or a repository; they hold until that changes", func(c *runtime.Config) *bool { return &c.AllowPush })
	s.text("probation", "how long new policies have to run to be good, and may be rolled back (default \"30s\")", func(c *runtime.Config) *string { return &c.Probation.For })
}

// group adds what an instance on a Kafka shared with others needs.
func (s *settings) group() {
	s.changes()
	s.text("group", "consumer group, and the first part of those of the sinks (default \"sluice\")", func(c *runtime.Config) *string { return &c.Group })
	s.text("instance-id", "name of this instance; a fixed one makes restarts cheap for the group", func(c *runtime.Config) *string { return &c.InstanceID })
	s.number("broker-port", "port of the broker inside the process (default any free one)", func(c *runtime.Config) *int { return &c.BrokerPort })
	s.number("partitions", "partitions of topics that have to be made (default twice the processors, at least 4)", func(c *runtime.Config) *int { return &c.Partitions })
	s.list("roles", "what to do: hop1, sinks; without any, everything", func(c *runtime.Config) *[]string { return &c.Roles })
}

// kafka adds how brokers are reached.
func (s *settings) kafka(brokersUsage string) {
	s.list("brokers", brokersUsage, func(c *runtime.Config) *[]string { return &c.Brokers })

	tls := func(c *runtime.Config) *runtime.TLS {
		if c.TLS == nil {
			c.TLS = &runtime.TLS{Enabled: true}
		}
		return c.TLS
	}
	s.yes("tls", "encrypt the connections to the brokers", func(c *runtime.Config) *bool { return &tls(c).Enabled })
	s.text("tls-ca", "file of the certificates to trust", func(c *runtime.Config) *string { return &tls(c).CA })
	s.text("tls-cert", "file of the client certificate", func(c *runtime.Config) *string { return &tls(c).Cert })
	s.text("tls-key", "file of its key", func(c *runtime.Config) *string { return &tls(c).Key })
	s.text("tls-server-name", "name to expect in the broker's certificate", func(c *runtime.Config) *string { return &tls(c).ServerName })

	sasl := func(c *runtime.Config) *runtime.SASL {
		if c.SASL == nil {
			c.SASL = &runtime.SASL{Mechanism: "scram-sha-512"}
		}
		return c.SASL
	}
	s.text("sasl-mechanism", "scram-sha-512, scram-sha-256 or plain", func(c *runtime.Config) *string { return &sasl(c).Mechanism })
	s.text("sasl-user", "name to authenticate as", func(c *runtime.Config) *string { return &sasl(c).User })
	s.text("sasl-password", "reference to the password: env://NAME or file:///path", func(c *runtime.Config) *string { return &sasl(c).Password })
}

func (s *settings) text(name, usage string, field func(*runtime.Config) *string) {
	v := s.flags.String(name, "", usage)
	s.set(name, func(c *runtime.Config) { *field(c) = *v })
}

func (s *settings) list(name, usage string, field func(*runtime.Config) *[]string) {
	v := s.flags.StringSlice(name, nil, usage)
	s.set(name, func(c *runtime.Config) { *field(c) = *v })
}

func (s *settings) number(name, usage string, field func(*runtime.Config) *int) {
	v := s.flags.Int(name, 0, usage)
	s.set(name, func(c *runtime.Config) { *field(c) = *v })
}

func (s *settings) yes(name, usage string, field func(*runtime.Config) *bool) {
	v := s.flags.Bool(name, false, usage)
	s.set(name, func(c *runtime.Config) { *field(c) = *v })
}

func (s *settings) set(name string, apply func(*runtime.Config)) {
	s.apply = append(s.apply, func(c *runtime.Config) {
		if s.flags.Changed(name) {
			apply(c)
		}
	})
}

// load returns the configuration that is in force. Findings about the file and
// about values are written to the terminal.
func (s *settings) load(c *cobra.Command, t terminal) (runtime.Config, error) {
	if err := s.fromEnvironment(); err != nil {
		return runtime.Config{}, environment(err)
	}
	file := s.file
	if file == "" && s.defaultFile != "" {
		if _, err := os.Stat(s.defaultFile); err == nil {
			file = s.defaultFile
		}
	}
	cfg, found, err := runtime.LoadConfig(c.Context(), file)
	if err == nil && !diag.Refused(found) {
		for _, apply := range s.apply {
			apply(&cfg)
		}
		found, err = cfg.Check(c.Context())
	}
	if err != nil {
		return cfg, environment(err)
	}
	if err := renderFindings(t.err, found, os.ReadFile); err != nil {
		return cfg, err
	}
	if diag.Refused(found) {
		return cfg, &exitError{code: exitEnv}
	}
	return cfg, nil
}

// fromEnvironment gives each flag that was not set the value of its variable:
// --data-dir has SLUICE_DATA_DIR. That of the token has the token itself, and its
// flag a reference.
func (s *settings) fromEnvironment() error {
	var err error
	s.flags.VisitAll(func(f *pflag.Flag) {
		name := "SLUICE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v, ok := os.LookupEnv(name)
		if !ok || f.Changed || err != nil || name == tokenVariable {
			return
		}
		if e := s.flags.Set(f.Name, v); e != nil {
			err = fmt.Errorf("variable %s: %w", name, e)
		}
	})
	return err
}
