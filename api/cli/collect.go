package cli

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-metrics/sluice/runtime"
)

func newCollect(t terminal) *cobra.Command {
	opts := runtime.CollectorOptions{Host: true}
	var once, list, noHost bool
	c := &cobra.Command{
		Use:   "collect",
		Short: "Collect what Flink's reporters cannot report",
		Long:  collectHelp,
		Example: `  sluice collect --once --flink http://127.0.0.1:8081
  sluice collect --flink http://jobmanager:8081 --egress-allow 10.0.0.0/8 \
    --brokers kafka-1:9092 --no-host
  sluice collect --brokers kafka-1:9092 --pid 4711 --dir /var/lib/flink`,
		Args: noArgs,
	}
	s := newSettings(c.Flags(), defaultConfigFile)
	s.kafka("Kafka brokers to write to, host:port; without any, those of the instance at --url")
	from := instanceFlags(c.Flags())
	s.list("egress-allow", "networks where JobManagers may be, besides public addresses, such as 10.0.0.0/8", func(c *runtime.Config) *[]string { return &c.EgressAllow })
	collectFlags(c.Flags(), &opts)
	c.Flags().BoolVar(&once, "once", false, "print one round as JSON lines and exit")
	c.Flags().BoolVar(&list, "list", false, "print every series that may be written and exit")
	c.Flags().BoolVar(&noHost, "no-host", false, "leave out the host: the collector runs elsewhere than Flink")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if list && once {
			return environment(errors.New("--once and --list exclude each other"))
		}
		if list {
			return listCollected(t)
		}
		cfg, err := s.load(c, t)
		if err != nil {
			return err
		}
		opts.Host = opts.Host && !noHost
		opts.Log = newLogger(cfg.Log, t.err)
		if len(cfg.Brokers) == 0 && !once {
			if cfg.Brokers, err = from.brokers(c.Context(), cfg); err != nil {
				return err
			}
		}
		return collect(c.Context(), cfg, opts, once, t)
	}
	return c
}

const collectHelp = `Ask JobManagers, the kernel and Kafka for what no reporter inside Flink can say,
and write it as records to a topic that an instance reads:

  jobs         state, uptime, restarts that go on counting when a job is
               submitted anew, failures with their text, tags
  checkpoints  counts, consecutive failures, age, duration against interval
  cluster      is the JobManager there, task managers, slots, memory
  sources      lag of Kafka sources behind their topics, time to recovery
  host         cgroup v2 and /proc of where the collector runs: throttling,
               memory, OOM kills, pressure, disks, network, processes

--list shows every series with its meaning. --once prints one round as JSON
lines and writes nothing, which is the way to try it: exit code 3 means that a
JobManager did not answer.

One collector serves many JobManagers; run it with --no-host then. For the host
part run one beside each task manager, without --flink. A JobManager that does
not answer has the series flink_jobmanager_cluster_up at 0 and keeps nobody
else waiting.

A record's task is --task-id, else what --task-id-job-name-regex finds in the
name of the job (its group "id", or its first group; other named groups become
tags), else the id of the job, as for the reporter inside Flink. What belongs to
no job has the task --cluster-id.

An address that you write as a number, and localhost, may be called. A name that
leads to a private address needs --egress-allow: it is checked when it is
called. Without --brokers, the instance at --url is asked for its own.`

func collectFlags(f *pflag.FlagSet, o *runtime.CollectorOptions) {
	f.StringSliceVar(&o.Flink, "flink", nil, "address of a JobManager's REST API, such as http://jobmanager:8081; repeat it for more")
	f.StringVar(&o.FlinkToken, "flink-token", "", "reference to the bearer token that they want, such as env://FLINK_TOKEN")
	f.StringVar(&o.FlinkCA, "flink-ca", "", "file of the certificates to trust for https")
	f.StringSliceVar(&o.SourceBrokers, "source-brokers", nil, "brokers of the topics that Flink reads, when they are others than --brokers")
	f.StringVar(&o.Topic, "topic", "flink.custom", "topic to write to")
	durationFlag(f, &o.Every, "every", 10*time.Second, "time from one round to the next")
	f.StringVar(&o.TaskID, "task-id", "", "task of every record: for a cluster with one job")
	f.StringVar(&o.JobNameRegex, "task-id-job-name-regex", "", "expression that finds the task in the name of a job")
	f.StringVar(&o.ClusterID, "cluster-id", "", "task of what belongs to no job (default the name of this machine)")
	f.BoolVar(&o.Host, "host", true, "collect the host, container and processes")
	f.StringVar(&o.ProcRoot, "proc-root", "", "where the proc file system is (default \"/proc\")")
	f.StringVar(&o.CgroupRoot, "cgroup-root", "", "directory of the cgroup to read (default that of this process)")
	f.StringSliceVar(&o.PIDs, "pid", nil, "process to read; repeat it for more (default this one)")
	f.StringSliceVar(&o.Dirs, "dir", nil, "directory whose file system is measured; repeat it for more")
}

func collect(ctx context.Context, cfg runtime.Config, opts runtime.CollectorOptions, once bool, t terminal) error {
	c, err := runtime.NewCollector(cfg, opts)
	if err != nil {
		return err
	}
	defer c.Close()
	if once {
		return c.Once(ctx, t.out)
	}
	return c.Run(ctx)
}

func listCollected(t terminal) error {
	return table(t.out, "SERIES\tKIND\tUNIT\tMEANING", "nothing is collected", runtime.CollectedMetrics(), func(m *runtime.CollectedMetric) []string {
		return []string{m.Series, m.Kind.String(), cmp.Or(m.Unit, "-"), m.Meaning}
	})
}
