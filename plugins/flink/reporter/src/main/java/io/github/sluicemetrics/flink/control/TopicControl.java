package io.github.sluicemetrics.flink.control;

import io.github.sluicemetrics.flink.pace.Backoff;
import io.github.sluicemetrics.flink.pace.QuietLog;
import io.github.sluicemetrics.flink.series.Task;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Rules from the compacted control topic, read by an own thread and without a consumer group. */
public final class TopicControl implements Control {
  private static final Logger LOG = LoggerFactory.getLogger(TopicControl.class);
  private static final byte[] KEY = "collect".getBytes(StandardCharsets.UTF_8);
  private static final Duration ASK = Duration.ofSeconds(5);

  /** How often the topic is asked for its end, which tells that the brokers are there. */
  private static final long ALIVE = Duration.ofSeconds(20).toNanos();

  private final String topic;
  private final String source;
  private final Supplier<Consumer<byte[], byte[]>> maker;
  private final DocumentStore store;
  private final LongSupplier nanos;
  private final QuietLog complaints;
  private final Backoff backoff;
  private final Thread thread;
  private volatile Rules rules;
  private volatile long heard;
  private volatile boolean ended;
  private Consumer<byte[], byte[]> consumer;

  /**
   * @param brokers tells topics of one name apart
   * @param maker makes a consumer without a group; it is used by one thread, and closed by it
   */
  public TopicControl(
      String topic, String brokers, Supplier<Consumer<byte[], byte[]>> maker, DocumentStore store, LongSupplier nanos) {
    this.topic = topic;
    this.source = "kafka://" + brokers + "/" + topic;
    this.maker = maker;
    this.store = store;
    this.nanos = nanos;
    this.complaints = new QuietLog(LOG, Duration.ofMinutes(1), nanos);
    this.backoff = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(30), nanos);
    this.rules = store.load(source);
    this.heard = nanos.getAsLong();
    this.thread = new Thread(this::run, "sluice-control");
    thread.setDaemon(true);
    thread.setContextClassLoader(TopicControl.class.getClassLoader()); // Kafka finds classes by name
  }

  /** Begins to read. */
  public TopicControl start() {
    thread.start();
    return this;
  }

  @Override
  public void attend(List<Task> tasks) {
    Rules now = rules;
    tasks.forEach(t -> t.obey(now));
  }

  @Override
  public long age() {
    return (nanos.getAsLong() - heard) / 1_000_000;
  }

  @Override
  public void close() {
    ended = true;
    thread.interrupt();
  }

  private void run() {
    while (!ended) {
      try {
        read();
      } catch (RuntimeException | LinkageError e) {
        if (!ended) {
          complaints.warn("control topic " + topic + " cannot be read, the last good rules stay in force", e);
          pause();
        }
      } finally {
        drop();
      }
    }
  }

  private void pause() {
    backoff.failed();
    try {
      Thread.sleep(backoff.pause().toMillis());
    } catch (InterruptedException e) {
      ended = true; // by close, and by nobody else
    }
  }

  private void read() {
    consumer = maker.get();
    List<TopicPartition> partitions = new ArrayList<>();
    consumer.partitionsFor(topic, ASK).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
    if (partitions.isEmpty()) {
      throw new KafkaException("there is no such topic");
    }
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    Map<TopicPartition, Long> ends = consumer.endOffsets(partitions, ASK);
    long alive = nanos.getAsLong();
    heard = alive;
    boolean found = false;
    while (!ended) {
      found |= step();
      if (!found && ends.entrySet().stream().allMatch(e -> consumer.position(e.getKey(), ASK) >= e.getValue())) {
        take(null); // withdrawn so long ago that the topic has forgotten that, too
        found = true;
      }
      if (nanos.getAsLong() - alive >= ALIVE) {
        consumer.endOffsets(partitions, ASK);
        alive = nanos.getAsLong();
        heard = alive;
      }
    }
  }

  /** Takes what has come, of several documents the last, and reports whether there was one. */
  private boolean step() {
    ConsumerRecord<byte[], byte[]> latest = null;
    for (ConsumerRecord<byte[], byte[]> r : consumer.poll(ASK)) {
      latest = Arrays.equals(r.key(), KEY) ? r : latest;
    }
    if (latest != null) {
      take(latest.value());
    }
    backoff.reset();
    return latest != null;
  }

  private void take(byte[] document) {
    heard = nanos.getAsLong();
    if (document == null || document.length == 0) {
      rules = Rules.NONE;
      store.keep(source, null);
      return;
    }
    try {
      rules = Rules.parse(document);
      store.keep(source, document);
    } catch (IllegalArgumentException e) {
      complaints.warn("the document in control topic " + topic + " is not used, the last good rules stay in force", e);
    }
  }

  private void drop() {
    if (consumer != null) {
      try {
        consumer.close(Duration.ZERO);
      } catch (RuntimeException e) {
        LOG.debug("closing the consumer of the control topic", e);
      }
      consumer = null;
    }
  }
}
