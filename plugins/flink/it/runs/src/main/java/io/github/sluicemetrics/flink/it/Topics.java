package io.github.sluicemetrics.flink.it;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads topics from their beginning and keeps the records. For one thread. */
public final class Topics implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** A record as it stands in Kafka; at is the broker's time, in Unix milliseconds. */
    public static final class Entry {
        public final String topic;
        public final int partition;
        public final long offset;
        public final long at;
        public final String key;
        public final String text;
        public final JsonNode value;

        Entry(ConsumerRecord<byte[], byte[]> r) {
            topic = r.topic();
            partition = r.partition();
            offset = r.offset();
            at = r.timestamp();
            key = r.key() == null ? null : new String(r.key(), StandardCharsets.UTF_8);
            text = new String(r.value(), StandardCharsets.UTF_8);
            try {
                value = JSON.readTree(text);
            } catch (IOException e) {
                throw new UncheckedIOException("not JSON: " + text, e);
            }
        }

        /** A text field, "" when it is missing. */
        public String field(String name) {
            return value.path(name).asText("");
        }

        /** A common label, "" when it is missing. */
        public String label(String name) {
            return value.path("labels").path(name).asText("");
        }
    }

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Predicate<Entry> keep;
    private final List<Entry> entries = new ArrayList<>();

    /** Reads these topics, which must be there, all partitions. */
    public Topics(String broker, String... topics) {
        this(e -> true, broker, topics);
    }

    /** Keeps only some of the records, where all would fill the memory; it is asked once about each. */
    public Topics(Predicate<Entry> keep, String broker, String... topics) {
        this.keep = keep;
        consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", broker, "auto.offset.reset", "earliest", "max.poll.records", "5000",
                        "fetch.max.bytes", "104857600", "reconnect.backoff.max.ms", "500"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> all = Stream.of(topics)
                .flatMap(t -> consumer.partitionsFor(t).stream())
                .map(p -> new TopicPartition(p.topic(), p.partition()))
                .collect(Collectors.toList());
        consumer.assign(all);
        consumer.seekToBeginning(all);
    }

    /** Reads what has arrived, waiting up to 200 ms for something. */
    public List<Entry> poll() {
        List<Entry> fresh = new ArrayList<>();
        consumer.poll(Duration.ofMillis(200)).forEach(r -> {
            Entry entry = new Entry(r);
            if (keep.test(entry)) {
                fresh.add(entry);
            }
        });
        entries.addAll(fresh);
        return fresh;
    }

    /** Everything that was read so far, in the order of arrival. */
    public List<Entry> all() {
        return Collections.unmodifiableList(entries);
    }

    /** Reads until one of the records, old or new, is as wanted; gives the first such. */
    public Entry await(String what, Duration limit, Predicate<Entry> wanted) {
        int[] seen = {0};
        return Await.value(what, limit, () -> {
            poll();
            for (; seen[0] < entries.size(); seen[0]++) {
                if (wanted.test(entries.get(seen[0]))) {
                    return entries.get(seen[0]);
                }
            }
            return null;
        });
    }

    /** Reads until a record that the broker stamped at or after this time, in Unix milliseconds, is as wanted. */
    public Entry awaitAfter(String what, long time, Duration limit, Predicate<Entry> wanted) {
        return await(what, limit, e -> e.at >= time && wanted.test(e));
    }

    /** Reads until everything that stood in the topics at this moment was read. */
    public void drain() {
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        Await.until("end of the topics", Duration.ofSeconds(60), () -> {
            poll();
            return ends.entrySet().stream().allMatch(e -> consumer.position(e.getKey()) >= e.getValue());
        });
    }

    @Override
    public void close() {
        consumer.close();
    }
}
