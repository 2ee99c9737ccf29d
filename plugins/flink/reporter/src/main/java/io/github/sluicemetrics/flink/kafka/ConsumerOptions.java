package io.github.sluicemetrics.flink.kafka;

import io.github.sluicemetrics.flink.options.Options;
import io.github.sluicemetrics.flink.options.Settings;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** How the reader of the control topic is set up: no group, everything that is committed, from the beginning. */
public final class ConsumerOptions {
  private ConsumerOptions() {}

  /** Returns the options; of {@code producer.*} those count that a consumer has, too, such as those for TLS. */
  public static Map<String, Object> of(Settings settings) {
    Map<String, Object> o = new HashMap<>();
    Connecting.defaults(o);
    Set<String> known = ConsumerConfig.configNames();
    settings.producer().forEach((name, value) -> {
      if (known.contains(name) || name.startsWith("sasl.") || name.startsWith("ssl.")) {
        o.put(name, value);
      }
    });
    o.put(ConsumerConfig.CLIENT_ID_CONFIG, "sluice-flink-control");
    o.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, settings.get(Options.BOOTSTRAP));
    o.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    o.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    o.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
    o.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
    o.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 5_000);
    return o;
  }

  /** Returns what makes the consumer. */
  public static Supplier<Consumer<byte[], byte[]>> maker(Settings settings) {
    return () -> new KafkaConsumer<>(of(settings), new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }
}
