package io.github.sluicemetrics.flink.it.jobs;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** As many records as a machine can do, then the end: a job to time. Arguments: dir, records. */
public final class LoadJob {
    private static final int CUSTOMERS = 1000;

    private LoadJob() {}

    /** Defines and submits the job. */
    public static JobClient submit(StreamExecutionEnvironment env, String... arguments) throws Exception {
        Arguments args = new Arguments(arguments);
        GeneratorFunction<Long, Long> number = n -> n;
        env.getConfig().enableObjectReuse();
        env.fromSource(
                        new DataGeneratorSource<>(number, args.number("records", 1_000_000), Types.LONG),
                        WatermarkStrategy.noWatermarks(), "orders", Types.LONG)
                .map(new UserMetrics(false)).name("measure")
                .keyBy(order -> order % CUSTOMERS)
                .map(new Counting(new Knobs(args.text("dir")), 0)).name("count")
                .sinkTo(new DiscardingSink<>()).name("discard");
        return env.executeAsync("load");
    }
}
