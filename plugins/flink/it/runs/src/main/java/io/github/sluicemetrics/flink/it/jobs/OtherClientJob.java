package io.github.sluicemetrics.flink.it.jobs;

import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * A job that brings its own kafka-clients and writes with it; the gauge kafkaClient tells which.
 * Arguments: dir, name, brokers, out.
 */
public final class OtherClientJob {
    private OtherClientJob() {}

    /** Runs it on the cluster that the client of Flink knows. */
    public static void main(String[] arguments) throws Exception {
        Arguments args = new Arguments(arguments);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        ShopJob.orders(env, new Knobs(args.text("dir")), args.number("rate", 20))
                .map(new Writer(args.text("brokers"), args.text("out"))).name("write").uid("write")
                .sinkTo(new DiscardingSink<>()).name("discard").uid("discard");
        env.executeAsync(args.text("name", "other-client"));
    }

    private static final class Writer extends RichMapFunction<Long, Long> {
        private static final long serialVersionUID = 1;

        private final String brokers;
        private final String topic;
        private transient KafkaProducer<String, String> producer;

        Writer(String brokers, String topic) {
            this.brokers = brokers;
            this.topic = topic;
        }

        @Override
        public void open(OpenContext context) {
            producer = new KafkaProducer<>(Map.of("bootstrap.servers", brokers), new StringSerializer(), new StringSerializer());
            getRuntimeContext().getMetricGroup().gauge("kafkaClient", (Gauge<String>) AppInfoParser::getVersion);
        }

        @Override
        public Long map(Long value) throws Exception {
            producer.send(new ProducerRecord<>(topic, value.toString())).get();
            return value;
        }

        @Override
        public void close() {
            if (producer != null) {
                producer.close();
            }
        }
    }
}
