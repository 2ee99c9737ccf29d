package io.github.sluicemetrics.flink.kafka;

import io.github.sluicemetrics.flink.options.Options;
import io.github.sluicemetrics.flink.options.Settings;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** How Kafka's producer is set up: it drops rather than waits, and keeps what it sends in order. */
public final class ProducerOptions {
  private ProducerOptions() {}

  /** Returns the options; those of {@code producer.*} win. */
  public static Map<String, Object> of(Settings settings) {
    return with(usual(), settings);
  }

  private static Map<String, Object> usual() {
    Map<String, Object> o = new HashMap<>();
    o.put(ProducerConfig.CLIENT_ID_CONFIG, "sluice-flink");
    o.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 16L << 20);
    o.put(ProducerConfig.BATCH_SIZE_CONFIG, 256 << 10);
    o.put(ProducerConfig.LINGER_MS_CONFIG, 200);
    o.put(ProducerConfig.ACKS_CONFIG, "1");
    o.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 30_000);
    o.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, 10_000);
    o.put(ProducerConfig.RETRY_BACKOFF_MAX_MS_CONFIG, 1_000L);
    Connecting.defaults(o);
    return o;
  }

  /** Returns the options for events, which are few: each at once, and kept for longer while brokers are away. */
  static Map<String, Object> ofEvents(Settings settings) {
    Map<String, Object> o = usual();
    o.put(ProducerConfig.CLIENT_ID_CONFIG, "sluice-flink-events");
    o.put(ProducerConfig.LINGER_MS_CONFIG, 5);
    o.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 4L << 20);
    o.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 300_000);
    return with(o, settings);
  }

  private static Map<String, Object> with(Map<String, Object> o, Settings settings) {
    o.putAll(settings.producer());
    if ("true".equals(o.get(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG)) && !settings.producer().containsKey(ProducerConfig.ACKS_CONFIG)) {
      o.put(ProducerConfig.ACKS_CONFIG, "all"); // Kafka demands it
    }
    if (!settings.producer().containsKey(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG)
        && !"all".equals(o.get(ProducerConfig.ACKS_CONFIG))) {
      o.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, false);
      o.putIfAbsent(ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, 1);
    }
    o.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, settings.get(Options.BOOTSTRAP));
    o.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, settings.get(Options.COMPRESSION));
    o.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, 0L);
    return o;
  }

  /** Returns what makes the producer. */
  public static Supplier<Producer<byte[], byte[]>> maker(Settings settings) {
    return () -> new KafkaProducer<>(of(settings), new ByteArraySerializer(), new ByteArraySerializer());
  }

  /** Returns what makes a producer for events. */
  public static Supplier<Producer<byte[], byte[]>> forEvents(Settings settings) {
    return () -> new KafkaProducer<>(ofEvents(settings), new ByteArraySerializer(), new ByteArraySerializer());
  }
}
