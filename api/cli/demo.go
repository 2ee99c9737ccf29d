package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-metrics/sluice/runtime"
)

// demo is what the flags of the command ask for.
type demo struct {
	last   time.Duration
	json   bool
	fleet  runtime.FleetOptions
	listen string
	in     int64 // most series seen at once: a stopped instance has none
	out    int64
}

func newDemo(t terminal) *cobra.Command {
	d := demo{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "See Sluice work: many Flink jobs, the default policies, a store",
		Long: `Run everything in this one process: a broker, a fleet of Flink jobs, the default
policies, the embedded store and the HTTP endpoints. Nothing else is needed, and
nothing is left behind.

The jobs were recorded on a real Flink and are replayed under as many task ids
as --jobs asks for, each at another moment: some restart, some fall behind and
catch up, some fail a checkpoint. Query it while it runs:

  curl http://127.0.0.1:7070/prometheus/api/v1/query \
    --get -d 'query=count(flink_jobmanager_job_uptime)'

or point Grafana's Prometheus data source at http://127.0.0.1:7070/prometheus.
The fleet never reports to a Kafka of yours: sluice.cue is not read, and a
--config that names brokers is refused. Only warnings are logged unless
--log-level says otherwise.

Ctrl-C ends it. On a terminal the summary is updated in place, elsewhere there
is a line every 5 seconds. --json prints one object at the end, and nothing
before it.`,
		Example: `  sluice demo
  sluice demo --for 15s --json
  sluice demo --jobs 200 --rate 20000 --policies ./my-policies`,
		Args: noArgs,
	}
	s := newSettings(c.Flags(), "")
	s.listen(listenUsage, tokenUsage)
	s.instance()
	durationFlag(c.Flags(), &d.last, "for", 0, "end after this time, counted from when it is ready; 0 runs until Ctrl-C")
	c.Flags().BoolVar(&d.json, "json", false, "print one JSON object at the end instead of a summary")
	c.Flags().IntVar(&d.fleet.Jobs, "jobs", 40, "Flink jobs to replay")
	c.Flags().IntVar(&d.fleet.Rate, "rate", 0, "records per second; 0 is what that many jobs send")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if d.fleet.Jobs < 1 || d.fleet.Rate < 0 || d.last < 0 {
			return environment(errors.New("--jobs must be at least 1, --rate and --for not negative"))
		}
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		if len(cfg.Brokers) > 0 {
			return environment(fmt.Errorf("the demo has a broker of its own and never writes its fleet to another: "+
				"%s names brokers; take them out, or use 'sluice run'", s.file))
		}
		cfg.Log.Level = demoLevel(cfg.Log.Level, s.flags.Changed("log-level"))
		return d.run(c.Context(), cfg, t)
	}
	return c
}

// demoLevel leaves the terminal to the summary: where nobody asked for a level,
// only warnings are logged. A file that names the default is taken for silent.
func demoLevel(level string, asked bool) string {
	if asked || level != "info" {
		return level
	}
	return "warn"
}

func (d *demo) run(ctx context.Context, cfg runtime.Config, t terminal) error {
	log := newLogger(cfg.Log, t.err)
	r, err := newRuntime(ctx, cfg, runtime.Options{Log: log, Fleet: &d.fleet}, t)
	if err != nil {
		return err
	}
	server, err := listen(r, cfg, log)
	if err != nil {
		return err
	}
	d.listen = server.URL()
	if d.last > 0 {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		defer end()
		go func() {
			if r.AwaitReady(ctx) == nil { // what a start takes is not part of the time
				time.AfterFunc(d.last, end)
			}
		}()
	}
	show := func(ctx context.Context) error { return d.show(ctx, r, t.out) }
	if err := serve(ctx, r, server, show); err != nil {
		return err
	}
	return d.final(r.Status(), t.out)
}

// show keeps the user informed until ctx ends.
func (d *demo) show(ctx context.Context, r *runtime.Runtime, out io.Writer) error {
	now := time.Now()
	v := view{url: d.listen, started: now, at: now}
	draw, every := v.line, 5
	switch {
	case d.json:
		draw = func(runtime.Status, time.Time) string { return "" }
	case isTerminal(out):
		draw = func(s runtime.Status, now time.Time) string { return v.screen(s, now, width(out)) }
		every = 1
	}
	if !d.json {
		if _, err := fmt.Fprintf(out, "Sluice demo: %d replayed Flink jobs, listening on %s\n", d.fleet.Jobs, d.listen); err != nil {
			return err
		}
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s := r.Status()
		hop := runtime.Total(s.Streams)
		d.in, d.out = max(d.in, hop.SeriesIn), max(d.out, hop.SeriesOut)
		if n%every != 0 {
			continue
		}
		if _, err := io.WriteString(out, draw(s, time.Now())); err != nil {
			return err
		}
	}
}

// result is what --json prints. Names are part of the contract.
type result struct {
	RecordsIn       uint64            `json:"records_in"`
	SamplesIn       int64             `json:"samples_in"`
	SamplesOut      int64             `json:"samples_out"`
	SeriesIn        int64             `json:"series_in"` // most at once
	SeriesOut       int64             `json:"series_out"`
	BytesIn         uint64            `json:"bytes_in"`
	BytesOut        uint64            `json:"bytes_out"`
	DroppedByRule   map[string]uint64 `json:"dropped_by_rule"`
	DeadLetters     uint64            `json:"dead_letters"`
	LedgerImbalance int64             `json:"ledger_imbalance"`
	EventLagP99     float64           `json:"event_lag_seconds_p99"` // report to the store's acknowledgement
}

func (d *demo) result(s runtime.Status) result {
	in, out := runtime.Total(s.Streams), runtime.Total(s.Sinks)
	res := result{
		RecordsIn: in.Records, SamplesIn: in.SamplesIn, SamplesOut: in.Dispositions["out"],
		SeriesIn: d.in, SeriesOut: d.out, BytesIn: in.BytesIn, BytesOut: in.BytesOut,
		DroppedByRule: map[string]uint64{}, LedgerImbalance: in.Imbalance + out.Imbalance,
		EventLagP99: out.EventLag.P99,
	}
	for _, n := range in.DeadLetters {
		res.DeadLetters += n
	}
	for _, r := range in.Rules {
		if r.Disposition == "dropped" { // not sampled, thinned or limited
			res.DroppedByRule[r.Rule] += r.Samples
		}
	}
	return res
}

func (d *demo) final(s runtime.Status, out io.Writer) error {
	res := d.result(s)
	if d.json {
		return printJSON(out, res)
	}
	_, err := fmt.Fprintf(out, "\n%s records in, %s of %s samples out, ledger imbalance %d\n",
		countText(float64(res.RecordsIn)), countText(float64(res.SamplesOut)), countText(float64(res.SamplesIn)), res.LedgerImbalance)
	return err
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// columnsOf is how long a line of w may be, 0 where it is no terminal: as it likes.
func columnsOf(w any) int {
	if !isTerminal(w) {
		return 0
	}
	return width(w)
}

// width is how many columns w has, 80 where it is no terminal.
func width(w any) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return 80
}
