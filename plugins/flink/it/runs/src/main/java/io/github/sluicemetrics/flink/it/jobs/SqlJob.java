package io.github.sluicemetrics.flink.it.jobs;

import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** A SQL job: datagen, a windowed aggregate, a sink that forgets. Arguments: name, rate (rows a second). */
public final class SqlJob {
    private SqlJob() {}

    /** Defines and submits the job. */
    public static JobClient submit(StreamExecutionEnvironment env, String... arguments) {
        Arguments args = new Arguments(arguments);
        StreamTableEnvironment tables = StreamTableEnvironment.create(env);
        tables.getConfig().set("pipeline.name", args.text("name", "revenue"));
        tables.executeSql("CREATE TABLE payments (shop INT, amount DOUBLE, paid_at AS LOCALTIMESTAMP,"
                + " WATERMARK FOR paid_at AS paid_at - INTERVAL '1' SECOND) WITH ('connector' = 'datagen',"
                + " 'rows-per-second' = '" + args.number("rate", 200) + "',"
                + " 'fields.shop.min' = '1', 'fields.shop.max' = '20', 'fields.amount.min' = '1', 'fields.amount.max' = '500')");
        tables.executeSql("CREATE TABLE revenue (shop INT, window_end TIMESTAMP(3), total DOUBLE) WITH ('connector' = 'blackhole')");
        return tables.executeSql("INSERT INTO revenue SELECT shop, window_end, SUM(amount) FROM"
                + " TABLE(TUMBLE(TABLE payments, DESCRIPTOR(paid_at), INTERVAL '5' SECOND)) GROUP BY shop, window_start, window_end")
                .getJobClient().orElseThrow();
    }

    /** Runs it on the cluster that the client of Flink knows. */
    public static void main(String[] arguments) {
        submit(StreamExecutionEnvironment.getExecutionEnvironment(), arguments);
    }
}
