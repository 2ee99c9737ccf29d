package io.github.sluicemetrics.flink.kafka;

import io.github.sluicemetrics.flink.pace.Backoff;
import io.github.sluicemetrics.flink.pace.QuietLog;
import java.time.Duration;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.apache.kafka.clients.producer.BufferExhaustedException;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends by Kafka's producer. The producer is made by the thread that sends, on first use, and again
 * after a growing pause when it cannot be made: an address that does not resolve yet must not leave a
 * process without metrics for good.
 */
public final class KafkaTransport implements Transport, Callback {
  private static final Logger LOG = LoggerFactory.getLogger(KafkaTransport.class);

  private final Supplier<Producer<byte[], byte[]>> maker;
  private final Tally tally;
  private final Backoff backoff;
  private final QuietLog complaints;
  private volatile Producer<byte[], byte[]> producer;
  private volatile boolean closed;

  /**
   * @param maker makes the producer; its max.block.ms must be 0
   * @param nanos a clock, as {@link System#nanoTime}
   */
  public KafkaTransport(Supplier<Producer<byte[], byte[]>> maker, Tally tally, LongSupplier nanos) {
    this.maker = maker;
    this.tally = tally;
    this.backoff = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(30), nanos);
    this.complaints = new QuietLog(LOG, Duration.ofMinutes(1), nanos);
  }

  @Override
  public boolean ready(String topic) {
    if (!connected()) {
      return false;
    }
    try {
      return !producer.partitionsFor(topic).isEmpty();
    } catch (TimeoutException e) {
      return false; // not known yet; the producer asks for it now
    } catch (RuntimeException e) {
      complaints.warn("Kafka does not tell about topic " + topic, e);
      return false;
    }
  }

  private boolean connected() {
    if (producer != null) {
      return true;
    }
    if (closed || !backoff.due()) {
      return false;
    }
    ClassLoader before = Thread.currentThread().getContextClassLoader();
    // Kafka finds classes by name: they are in this plugin, not in Flink.
    Thread.currentThread().setContextClassLoader(KafkaTransport.class.getClassLoader());
    try {
      Producer<byte[], byte[]> made = maker.get();
      producer = made;
      if (closed) { // meanwhile, by another thread, which may not have seen it
        made.close(Duration.ZERO);
      }
      backoff.reset();
      return true;
    } catch (RuntimeException | LinkageError e) {
      complaints.warn("cannot make a Kafka producer, trying again later", e);
      backoff.failed();
      return false;
    } finally {
      Thread.currentThread().setContextClassLoader(before);
    }
  }

  @Override
  public void send(String topic, byte[] key, byte[] value) {
    if (!connected()) {
      tally.dropped(Drop.TIMEOUT);
      return;
    }
    try {
      producer.send(new ProducerRecord<>(topic, key, value), this);
    } catch (RuntimeException e) { // what is thrown here the callback does not get
      lost(e);
    }
  }

  @Override
  public void onCompletion(RecordMetadata metadata, Exception failure) {
    if (failure == null) {
      tally.sent(metadata.serializedValueSize());
    } else {
      lost(failure);
    }
  }

  private void lost(Exception why) {
    if (why instanceof BufferExhaustedException) {
      tally.dropped(Drop.BUFFER);
    } else if (why instanceof RecordTooLargeException) {
      tally.dropped(Drop.TOO_LARGE);
    } else {
      tally.dropped(Drop.TIMEOUT);
    }
    complaints.warn("Kafka has not taken a record; metrics are dropped, jobs go on", why);
  }

  @Override
  public void close(Duration most) {
    closed = true;
    Producer<byte[], byte[]> p = producer;
    if (p == null) {
      return;
    }
    try {
      p.close(most);
    } catch (RuntimeException e) {
      LOG.debug("closing the producer", e);
    }
  }
}
