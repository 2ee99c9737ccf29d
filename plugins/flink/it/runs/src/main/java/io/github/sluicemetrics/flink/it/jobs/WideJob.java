package io.github.sluicemetrics.flink.it.jobs;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MeterView;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.metrics.DescriptiveStatisticsHistogram;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** A job with very many metrics. Arguments: dir, name, rate, metrics (of every subtask). */
public final class WideJob {
    private WideJob() {}

    /** Defines and submits the job. */
    public static JobClient submit(StreamExecutionEnvironment env, String... arguments) throws Exception {
        Arguments args = new Arguments(arguments);
        ShopJob.orders(env, new Knobs(args.text("dir")), args.number("rate", 200))
                .map(new Wide((int) args.number("metrics", 1000))).name("wide").uid("wide")
                .sinkTo(new DiscardingSink<>()).name("discard").uid("discard");
        return env.executeAsync(args.text("name", "wide"));
    }

    /** Of 20 metrics 12 are gauges, 5 counters, 2 meters and one a histogram. */
    private static final class Wide extends RichMapFunction<Long, Long> {
        private static final long serialVersionUID = 1;
        private static final int WINDOW = 20;

        private final int metrics;
        private transient volatile long last;

        Wide(int metrics) {
            this.metrics = metrics;
        }

        @Override
        public void open(OpenContext context) {
            MetricGroup group = getRuntimeContext().getMetricGroup();
            for (int i = 0; i < metrics; i++) {
                int offset = i;
                int kind = i % 20;
                if (kind < 12) {
                    group.gauge("gauge" + i, (Gauge<Long>) () -> last + offset);
                } else if (kind < 17) {
                    group.counter("counter" + i).inc(i);
                } else if (kind < 19) {
                    group.meter("meter" + i, new MeterView(60)).markEvent(i);
                } else {
                    group.histogram("histogram" + i, new DescriptiveStatisticsHistogram(WINDOW)).update(i);
                }
            }
        }

        @Override
        public Long map(Long value) {
            last = value;
            return value;
        }
    }

    /** Runs it on the cluster that the client of Flink knows. */
    public static void main(String[] arguments) throws Exception {
        submit(StreamExecutionEnvironment.getExecutionEnvironment(), arguments);
    }
}
