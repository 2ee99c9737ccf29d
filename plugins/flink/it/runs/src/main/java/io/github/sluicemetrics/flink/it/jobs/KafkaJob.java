package io.github.sluicemetrics.flink.it.jobs;

import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * A job between two Kafka topics, with what fills the first: clicks are written, read, counted and
 * written again. With the knob "slow" the lag grows. Arguments: dir, name, rate, brokers, in, out.
 */
public final class KafkaJob {
    private static final int PAGES = 50;

    private KafkaJob() {}

    /** Defines and submits the job. */
    public static JobClient submit(StreamExecutionEnvironment env, String... arguments) throws Exception {
        Arguments args = new Arguments(arguments);
        Knobs knobs = new Knobs(args.text("dir"));
        String brokers = args.text("brokers");
        env.enableCheckpointing(args.number("checkpoint-ms", 2000));
        ShopJob.orders(env, knobs, args.number("rate", 500))
                .map(String::valueOf).returns(Types.STRING).name("encode").uid("encode")
                .sinkTo(sink(brokers, args.text("in"))).name("clicks-out").uid("clicks-out");
        KafkaSource<String> clicks = KafkaSource.<String>builder()
                .setBootstrapServers(brokers)
                .setTopics(args.text("in"))
                .setGroupId(args.text("name", "clicks"))
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setValueOnlyDeserializer(new SimpleStringSchema())
                .build();
        env.fromSource(clicks, WatermarkStrategy.forMonotonousTimestamps(), "clicks").uid("clicks")
                .map(Long::valueOf).returns(Types.LONG).name("parse").uid("parse")
                .keyBy(click -> click % PAGES)
                .map(new Counting(knobs, 0)).name("count").uid("count")
                .map(String::valueOf).returns(Types.STRING).name("format").uid("format")
                .sinkTo(sink(brokers, args.text("out"))).name("pages").uid("pages");
        return env.executeAsync(args.text("name", "clicks"));
    }

    private static KafkaSink<String> sink(String brokers, String topic) {
        Properties producer = new Properties();
        producer.setProperty("linger.ms", "20");
        return KafkaSink.<String>builder()
                .setBootstrapServers(brokers)
                .setKafkaProducerConfig(producer)
                .setRecordSerializer(KafkaRecordSerializationSchema.builder()
                        .setTopic(topic).setValueSerializationSchema(new SimpleStringSchema()).build())
                .build();
    }

    /** Runs it on the cluster that the client of Flink knows. */
    public static void main(String[] arguments) throws Exception {
        submit(StreamExecutionEnvironment.getExecutionEnvironment(), arguments);
    }
}
