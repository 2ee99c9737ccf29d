package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-metrics/sluice/api/rest"
	"github.com/sluice-metrics/sluice/runtime"
)

func newRun(t terminal) *cobra.Command {
	var printConfig bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Run an instance",
		Long: `Run one instance: it reads the input topics, governs what it reads by the policy
set, writes the processed topic and feeds the sinks.

Without --data-dir nothing is kept: what the broker inside the process and the
store hold is gone when the instance ends.

Without --brokers a broker runs inside the process, which is enough for one
machine: with --data-dir it survives a kill of the process, not the loss of the
disk. With --brokers, start as many instances as you like; they share the
partitions.

A change of the policies is in force by itself, if it is right, streams and
sinks with it. A topic that goes to another stream is read by the one before
until all instances have the change: nothing is lost, and nothing read twice.
New policies pass a probation, and the last good ones are kept on disk for a
start with wrong ones.

The configuration comes from sluice.cue (or --config), from variables
(--data-dir is SLUICE_DATA_DIR) and from flags; later ones win. --print-config
shows the result. Secrets are references: env://NAME or file:///path.`,
		Example: `  sluice run --policies ./policies --data-dir /var/lib/sluice
  sluice run --brokers kafka-1:9092,kafka-2:9092 --tls \
    --sasl-user sluice --sasl-password env://KAFKA_PASSWORD
  SLUICE_LISTEN=127.0.0.1:7171 sluice run --print-config`,
		Args: noArgs,
	}
	s := newSettings(c.Flags(), defaultConfigFile)
	s.listen(listenUsage, tokenUsage)
	s.instance()
	s.group()
	s.kafka("Kafka brokers, host:port; without any, a broker runs inside the process")
	c.Flags().BoolVar(&printConfig, "print-config", false, "print the configuration in force and exit")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		if printConfig {
			return printJSON(t.out, cfg)
		}
		log := newLogger(cfg.Log, t.err)
		r, err := newRuntime(c.Context(), cfg, runtime.Options{Log: log}, t)
		if err != nil {
			return err
		}
		server, err := listen(r, cfg, log)
		if err != nil {
			return err
		}
		r.SetAddress(server.URL())
		log.Info("listening", "url", server.URL())
		return serve(c.Context(), r, server, reloads(r, log, t.err))
	}
	return c
}

// newRuntime makes a runtime and shows the findings of its policy set.
func newRuntime(ctx context.Context, cfg runtime.Config, opts runtime.Options, t terminal) (*runtime.Runtime, error) {
	opts.Version, opts.Child = version(), childCommand()
	r, report, err := runtime.New(ctx, cfg, opts)
	if err != nil {
		return nil, err
	}
	if err := renderReport(t.err, report); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, rejected()
	}
	return r, nil
}

func listen(r *runtime.Runtime, cfg runtime.Config, log *slog.Logger) (*rest.Server, error) {
	server, err := rest.New(r, rest.Options{Listen: cfg.Listen, Token: cfg.ListenToken, Tokens: cfg.Tokens, OIDC: cfg.OIDC, TLS: cfg.ListenTLS, Log: log})
	if err != nil {
		return nil, environment(err)
	}
	return server, nil
}

// serve runs the runtime, its HTTP endpoints and what is watching them until ctx
// ends or one of them fails. The runtime ends last: a query may be reading its store.
func serve(ctx context.Context, r *runtime.Runtime, server *rest.Server, watching ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		defer stop()
		return server.Run(ctx)
	})
	g.Go(func() error { return r.Run(inner) })
	for _, w := range watching {
		g.Go(func() error { return w(ctx) })
	}
	return g.Wait()
}

func newLogger(c runtime.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		panic(fmt.Sprintf("log level %q passed the check of the configuration", c.Level))
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
