package io.github.sluicemetrics.flink.it.jobs;

import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** As many records as a machine can do, until it is cancelled: a job to time. Arguments: dir. */
public final class LoadJob {
    private static final int CUSTOMERS = 1000;
    private static final int STEP = 1 << 12; // records from one count to the next
    private static final LongAdder MADE = new LongAdder();

    private LoadJob() {}

    /** Records that jobs in this JVM have made, in steps. */
    public static long made() {
        return MADE.sum();
    }

    private static long make(long n) {
        if (n % STEP == 0) {
            MADE.add(STEP);
        }
        return n;
    }

    /** Defines and submits the job. */
    public static JobClient submit(StreamExecutionEnvironment env, String... arguments) throws Exception {
        Arguments args = new Arguments(arguments);
        GeneratorFunction<Long, Long> number = LoadJob::make;
        env.getConfig().enableObjectReuse();
        env.fromSource(
                        new DataGeneratorSource<>(number, Long.MAX_VALUE, Types.LONG),
                        WatermarkStrategy.noWatermarks(), "orders", Types.LONG)
                .map(new UserMetrics(false)).name("measure")
                .keyBy(order -> order % CUSTOMERS)
                .map(new Counting(new Knobs(args.text("dir")), 0)).name("count")
                .sinkTo(new DiscardingSink<>()).name("discard");
        return env.executeAsync("load");
    }
}
