package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/secret"
)

// Config is the configuration of one instance: what a sluice.cue may say, see
// #Instance of the schema.
type Config struct{ policy.Instance }

// TLS secures the connections to the brokers.
type TLS = policy.TLS

// ListenTLS secures the HTTP endpoints.
type ListenTLS = policy.ListenTLS

// OIDC lets in by JSON web tokens of an issuer.
type OIDC = policy.OIDC

// SASL authenticates to the brokers.
type SASL = policy.SASL

// Log says how the instance logs.
type Log = policy.Log

// LoadConfig reads a configuration file; "" gives the defaults. Findings name
// the file; with an error among them the configuration is of no use.
func LoadConfig(_ context.Context, file string) (Config, []diag.Diagnostic, error) {
	if file == "" {
		in, err := policy.DefaultInstance()
		return Config{in}, nil, err
	}
	in, found, err := policy.LoadInstance(file)
	return Config{in}, found, err
}

// Check validates a configuration that was changed after it was loaded, by the
// same schema. Findings name the fields.
func (c *Config) Check(context.Context) ([]diag.Diagnostic, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	in, found, err := policy.ReadInstance("flags and variables", text)
	if err == nil && !diag.Refused(found) {
		c.Instance = in
	}
	for i := range found {
		d := &found[i]
		d.Pos = diag.Pos{File: d.Pos.File} // they have no lines
		if d.Path != "" && !strings.HasPrefix(d.Message, d.Path) {
			d.Message = d.Path + ": " + d.Message
		}
	}
	return found, err
}

// Roles of an instance.
const (
	roleHop1  = "hop1"
	roleSinks = "sinks"
)

func (c *Config) does(role string) bool {
	return len(c.Roles) == 0 || slices.Contains(c.Roles, role)
}

// kafka returns how to reach the configured brokers.
func (c *Config) kafka(log *slog.Logger) (kafka.Config, error) {
	k := kafka.Config{Brokers: c.Brokers, InstanceID: c.InstanceID, Log: log}
	if t := c.TLS; t != nil {
		k.TLS = kafka.TLS{Enabled: t.Enabled, CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	}
	if s := c.SASL; s != nil {
		k.SASL = kafka.SASL{Mechanism: s.Mechanism, User: s.User, Password: func() (string, error) { return secret.Resolve(s.Password) }}
	}
	if err := k.Validate(); err != nil {
		return k, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return k, nil
}

// Secret returns what a reference to a secret refers to now.
func Secret(reference string) (string, error) { return secret.Resolve(reference) }

// partitions is how many partitions topics get that have to be made.
func (r *Runtime) partitions() int32 {
	if r.cfg.Partitions > 0 {
		return int32(r.cfg.Partitions)
	}
	return int32(max(2*goruntime.NumCPU(), 4))
}

// cacheBytesPerHop shares the bound out evenly; the engine goes on by partitions.
func (r *Runtime) cacheBytesPerHop(set *loadedSet) int64 {
	total, err := policy.ParseSize(r.cfg.CacheBytes)
	if err != nil { // the schema has checked it
		panic(err)
	}
	hops := len(set.streams()) + len(set.sinks())
	return total / int64(hops)
}

// childArgument makes the binary evaluate one policy set, or try one plugin, and
// exit: neither can always be cancelled, but a process can.
const childArgument = "internal-compile"

// IsChild reports whether the arguments of the process ask for that.
func IsChild(args []string) bool {
	return len(args) > 0 && args[0] == childArgument && (len(args) == 1 || slices.Equal(args[1:], []string{pluginArgument}))
}

// ChildArgs is what to start this program with for one evaluation.
func ChildArgs() []string { return []string{childArgument} }

// Child is such a process: it reads one request, answers it and returns the exit code.
func Child(args []string, in io.Reader, out, errOut io.Writer) int {
	serve := func() error { return policy.ServeChild(in, out, errOut) }
	if len(args) > 1 {
		serve = func() error { return tryPluginHere(in, out) }
	}
	if err := serve(); err != nil {
		fmt.Fprintln(errOut, err)
		return 1
	}
	return 0
}
