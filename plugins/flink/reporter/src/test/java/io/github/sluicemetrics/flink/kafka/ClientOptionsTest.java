package io.github.sluicemetrics.flink.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.github.sluicemetrics.flink.options.Settings;
import io.github.sluicemetrics.flink.pace.Backoff;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.junit.jupiter.api.Test;

class ClientOptionsTest {
  private static Settings settings(String... options) {
    Properties p = new Properties();
    p.setProperty("bootstrap.servers", "127.0.0.1:1");
    for (int i = 0; i < options.length; i += 2) {
      p.setProperty(options[i], options[i + 1]);
    }
    return Settings.read(p, n -> null, problem -> {
      throw new AssertionError(problem);
    });
  }

  @Test
  void itDropsRatherThanWaits() {
    Map<String, Object> o = ProducerOptions.of(settings());
    assertEquals(0L, o.get("max.block.ms"));
    assertEquals(16L << 20, o.get("buffer.memory"));
    assertEquals(256 << 10, o.get("batch.size"));
    assertEquals(200, o.get("linger.ms"));
    assertEquals("1", o.get("acks"));
    assertEquals(30_000, o.get("delivery.timeout.ms"));
    assertEquals("zstd", o.get("compression.type"));
    assertEquals(1, o.get("max.in.flight.requests.per.connection"), "or retries change the order");
  }

  @Test
  void optionsForKafkaArePassedThrough() {
    Settings s =
        settings(
            "producer.security.protocol", "SASL_SSL", "producer.sasl.mechanism", "PLAIN", "producer.ssl.truststore.type", "PEM",
            "producer.linger.ms", "50", "producer.acks", "all", "compression", "lz4");
    Map<String, Object> o = ProducerOptions.of(s);
    assertEquals("SASL_SSL", o.get("security.protocol"));
    assertEquals("50", o.get("linger.ms"));
    assertEquals("lz4", o.get("compression.type"));
    assertNull(o.get(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG), "with acks=all the producer is idempotent");
    Map<String, Object> c = ConsumerOptions.of(s);
    assertEquals("SASL_SSL", c.get("security.protocol"));
    assertEquals("PLAIN", c.get("sasl.mechanism"));
    assertEquals("PEM", c.get("ssl.truststore.type"));
    assertFalse(c.containsKey("linger.ms"));
    assertFalse(c.containsKey("group.id"));
  }

  @Test
  void kafkaTakesTheOptions() {
    Settings s = settings();
    try (Producer<byte[], byte[]> p = ProducerOptions.maker(s).get();
        Producer<byte[], byte[]> e = ProducerOptions.forEvents(s).get();
        Consumer<byte[], byte[]> c = ConsumerOptions.maker(s).get()) {
      p.close(Duration.ZERO);
      e.close(Duration.ZERO);
      c.close(Duration.ZERO);
    }
  }

  @Test
  void eventsAreSentAtOnceAndKeptForLonger() {
    Map<String, Object> o = ProducerOptions.ofEvents(settings());
    assertEquals(5, o.get("linger.ms"));
    assertEquals(300_000, o.get("delivery.timeout.ms"));
    assertEquals(0L, o.get("max.block.ms"));
    o = ProducerOptions.ofEvents(settings("producer.linger.ms", "7", "producer.client.id", "mine"));
    assertEquals("7", o.get("linger.ms"), "the user wins");
    assertEquals("mine", o.get("client.id"));
  }

  @Test
  void brokersThatAreAwayAreLookedForOnceASecond() {
    for (Map<String, Object> o : List.of(ProducerOptions.of(settings()), ProducerOptions.ofEvents(settings()), ConsumerOptions.of(settings()))) {
      assertEquals(500L, o.get("reconnect.backoff.ms"));
      assertEquals(1_000L, o.get("reconnect.backoff.max.ms"));
      assertEquals(2_000L, o.get("socket.connection.setup.timeout.ms"));
      assertEquals(2_000L, o.get("socket.connection.setup.timeout.max.ms"));
      assertEquals("rebootstrap", o.get("metadata.recovery.strategy"));
    }
    Settings user = settings("producer.reconnect.backoff.max.ms", "30000", "producer.metadata.recovery.strategy", "none");
    for (Map<String, Object> o : List.of(ProducerOptions.of(user), ProducerOptions.ofEvents(user), ConsumerOptions.of(user))) {
      assertEquals("30000", o.get("reconnect.backoff.max.ms"), "the user wins");
      assertEquals("none", o.get("metadata.recovery.strategy"), "the user wins");
    }
    Backoff looking = Connecting.looking();
    List<Long> pauses = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      looking.failed();
      pauses.add(looking.pause().toMillis());
    }
    assertEquals(List.of(100L, 200L, 400L, 500L, 500L), pauses);
  }

  @Test
  void anIdempotentProducerCanBeMade() {
    Settings s = settings("producer.enable.idempotence", "true");
    try (Producer<byte[], byte[]> p = ProducerOptions.maker(s).get()) {
      p.close(Duration.ZERO);
    }
    assertEquals("all", ProducerOptions.of(s).get("acks"));
  }
}
