package io.github.sluicemetrics.flink.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.BufferExhaustedException;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;

class KafkaTransportTest {
  private static final byte[] KEY = {1};
  private static final byte[] VALUE = {1, 2, 3};

  private final Tally tally = new Tally();
  private long now;

  private static MockProducer<byte[], byte[]> producer(String... topics) {
    List<PartitionInfo> partitions = new ArrayList<>();
    for (String t : topics) {
      partitions.add(new PartitionInfo(t, 0, null, null, null));
    }
    Cluster cluster = new Cluster("c", List.of(), partitions, Set.of(), Set.of());
    return new MockProducer<>(cluster, false, new ByteArraySerializer(), new ByteArraySerializer());
  }

  @Test
  void everyRecordIsCountedOnceByWhatBecameOfIt() {
    MockProducer<byte[], byte[]> p = producer("t");
    KafkaTransport transport = new KafkaTransport(() -> p, tally, () -> now);
    List<RuntimeException> failures =
        List.of(
            new BufferExhaustedException("full"), new BufferExhaustedException("full"), new TimeoutException("expired"),
            new RecordTooLargeException("large"), new TopicAuthorizationException("t"));
    transport.send("t", KEY, VALUE);
    failures.forEach(f -> transport.send("t", KEY, VALUE));
    assertEquals(0, tally.sent(), "not before Kafka has it");
    assertTrue(p.completeNext());
    failures.forEach(p::errorNext);
    assertEquals(1, tally.sent());
    assertEquals(2, tally.lost(Drop.BUFFER));
    assertEquals(2, tally.lost(Drop.TIMEOUT));
    assertEquals(1, tally.lost(Drop.TOO_LARGE));
    assertEquals(0, tally.lost(Drop.ENCODE));
  }

  @Test
  void whatIsThrownIsCountedToo() {
    MockProducer<byte[], byte[]> p =
        new MockProducer<>(false, new ByteArraySerializer(), new ByteArraySerializer()) {
          @Override
          public synchronized Future<RecordMetadata> send(ProducerRecord<byte[], byte[]> r, Callback c) {
            throw new KafkaException("closed");
          }
        };
    new KafkaTransport(() -> p, tally, () -> now).send("t", KEY, VALUE);
    assertEquals(1, tally.lost(Drop.TIMEOUT));
  }

  @Test
  void aProducerThatCannotBeMadeIsTriedAgainAfterGrowingPauses() {
    int[] attempts = {0};
    KafkaTransport transport =
        new KafkaTransport(
            () -> {
              if (attempts[0]++ < 3) {
                throw new KafkaException("no such host");
              }
              return producer("t");
            },
            tally, () -> now);
    List<Integer> after = new ArrayList<>();
    for (int second = 0; second < 8; second++, now += Duration.ofSeconds(1).toNanos()) {
      transport.ready("t");
      after.add(attempts[0]);
    }
    assertEquals(List.of(1, 2, 2, 3, 3, 3, 3, 4), after, "pauses of 1, 2 and 4 seconds");
    assertTrue(transport.ready("t"));
    assertEquals(4, attempts[0], "made once");
  }

  @Test
  void nothingIsReadyWhileKafkaDoesNotTell() {
    MockProducer<byte[], byte[]> p =
        new MockProducer<>(false, new ByteArraySerializer(), new ByteArraySerializer()) {
          @Override
          public List<PartitionInfo> partitionsFor(String topic) {
            throw topic.equals("unknown") ? new TimeoutException("not yet") : new TopicAuthorizationException(topic);
          }
        };
    KafkaTransport transport = new KafkaTransport(() -> p, tally, () -> now);
    assertFalse(transport.ready("unknown"));
    assertFalse(transport.ready("forbidden"));
    assertTrue(new KafkaTransport(() -> producer("t"), tally, () -> now).ready("t"));
  }

  @Test
  void theProducerIsMadeWithThisClassLoader() {
    ClassLoader[] seen = new ClassLoader[1];
    KafkaTransport transport =
        new KafkaTransport(
            () -> {
              seen[0] = Thread.currentThread().getContextClassLoader();
              return producer("t");
            },
            tally, () -> now);
    ClassLoader before = Thread.currentThread().getContextClassLoader();
    Thread.currentThread().setContextClassLoader(null);
    try {
      transport.ready("t");
      assertSame(KafkaTransport.class.getClassLoader(), seen[0]);
      assertSame(null, Thread.currentThread().getContextClassLoader());
    } finally {
      Thread.currentThread().setContextClassLoader(before);
    }
  }

  @Test
  void aProducerMadeWhileItIsClosedDoesNotStay() {
    MockProducer<byte[], byte[]> p = producer("t");
    KafkaTransport[] transport = new KafkaTransport[1];
    transport[0] =
        new KafkaTransport(
            () -> {
              transport[0].close(Duration.ZERO); // as another thread does while this one waits for a name server
              return p;
            },
            tally, () -> now);
    transport[0].ready("t");
    assertTrue(p.closed());
    int[] attempts = {0};
    KafkaTransport never =
        new KafkaTransport(
            () -> {
              attempts[0]++;
              return producer("t");
            },
            tally, () -> now);
    never.close(Duration.ZERO);
    assertFalse(never.ready("t"));
    assertEquals(0, attempts[0]);
  }
}
