package io.github.sluicemetrics.flink.it.jobs;

import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * A DataStream job with metrics of its own: orders are measured, then counted per customer.
 * Arguments: dir (of the knobs), name, rate (records a second), fail-after (records of a subtask),
 * checkpoint-ms, broken (1: with a gauge that throws).
 */
public final class ShopJob {
    private static final int CUSTOMERS = 50;
    private static final int TOLERATED = 10;
    static final long CHECKPOINT_TIMEOUT_MS = 3000;

    private ShopJob() {}

    /** Defines and submits the job. */
    public static JobClient submit(StreamExecutionEnvironment env, String... arguments) throws Exception {
        Arguments args = new Arguments(arguments);
        Knobs knobs = new Knobs(args.text("dir"));
        env.enableCheckpointing(args.number("checkpoint-ms", 2000));
        env.getCheckpointConfig().setCheckpointTimeout(CHECKPOINT_TIMEOUT_MS);
        env.getCheckpointConfig().setTolerableCheckpointFailureNumber(TOLERATED);
        orders(env, knobs, args.number("rate", 500))
                .map(new UserMetrics(args.number("broken", 0) > 0)).name("measure").uid("measure")
                .keyBy(order -> order % CUSTOMERS)
                .map(new Counting(knobs, args.number("fail-after", 0))).name("count").uid("count")
                .sinkTo(new DiscardingSink<>()).name("discard").uid("discard");
        return env.executeAsync(args.text("name", "shop"));
    }

    static DataStream<Long> orders(StreamExecutionEnvironment env, Knobs knobs, double rate) {
        GeneratorFunction<Long, Long> number = n -> n;
        return env.fromSource(
                new DataGeneratorSource<>(number, Long.MAX_VALUE, Gate.perSecond(knobs, rate), Types.LONG),
                WatermarkStrategy.noWatermarks(), "orders", Types.LONG).uid("orders");
    }

    /** Runs it on the cluster that the client of Flink knows. */
    public static void main(String[] arguments) throws Exception {
        submit(StreamExecutionEnvironment.getExecutionEnvironment(), arguments);
    }
}
