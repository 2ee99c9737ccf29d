package io.github.sluicemetrics.flink.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.series.Task;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TopicControlTest {
  private static final TopicPartition PARTITION = new TopicPartition("sluice.control", 0);

  @TempDir Path folder;
  private final SynchronousQueue<Runnable> polls = new SynchronousQueue<>();
  private final CountDownLatch closed = new CountDownLatch(1);
  private final Task task = new Task("t", "");
  private TopicControl control;
  private MockConsumer<byte[], byte[]> consumer;
  private long offset;
  private long end;

  private void start() throws InterruptedException {
    consumer =
        new MockConsumer<byte[], byte[]>(OffsetResetStrategy.EARLIEST) {
          @Override
          public synchronized void close(Duration timeout) {
            super.close(timeout);
            closed.countDown();
          }

          @Override
          public ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
            try {
              polls.take().run(); // the test decides what comes, and when
            } catch (InterruptedException e) {
              throw new InterruptException(e);
            }
            return super.poll(Duration.ZERO);
          }
        };
    consumer.updatePartitions("sluice.control", List.of(new PartitionInfo("sluice.control", 0, null, null, null)));
    consumer.updateBeginningOffsets(Map.of(PARTITION, 0L));
    consumer.updateEndOffsets(Map.of(PARTITION, end));
    control = new TopicControl("sluice.control", "b:1", () -> consumer, new DocumentStore(folder), System::nanoTime).start();
  }

  @AfterEach
  void stop() throws InterruptedException {
    control.close();
    assertTrue(closed.await(20, TimeUnit.SECONDS), "the consumer is closed by its thread");
  }

  private void poll(Runnable first) throws InterruptedException {
    assertTrue(polls.offer(first, 20, TimeUnit.SECONDS));
  }

  /** Publishes records and waits until they have been taken. */
  private void publish(String... keysAndValues) throws InterruptedException {
    poll(() -> {
      for (int i = 0; i < keysAndValues.length; i += 2) {
        byte[] value = keysAndValues[i + 1] == null ? null : RulesTest.bytes(keysAndValues[i + 1]);
        consumer.addRecord(new ConsumerRecord<>("sluice.control", 0, offset++, RulesTest.bytes(keysAndValues[i]), value));
      }
    });
    poll(() -> {}); // begins when the one before has been taken
    control.attend(List.of(task));
  }

  private static String document(int version) {
    return "{\"v\":1,\"cv\":" + version + ",\"rules\":[],\"labels\":[]}";
  }

  @Test
  void theLastDocumentCounts() throws InterruptedException {
    start();
    publish("collect", document(1), "other", document(9), "collect", document(2));
    assertEquals(2, task.rules().version());
    publish("collect", "{damaged");
    assertEquals(2, task.rules().version(), "the last good one");
    publish("other", document(9));
    assertEquals(2, task.rules().version());
    Rules kept = new DocumentStore(folder).load("kafka://b:1/sluice.control");
    assertEquals(2, kept.version(), "for the next start");
    publish("collect", null);
    assertSame(Rules.NONE, task.rules(), "no control");
    assertSame(Rules.NONE, new DocumentStore(folder).load("kafka://b:1/sluice.control"));
  }

  @Test
  void rulesOutliveTheConsumer() throws InterruptedException {
    new DocumentStore(folder).keep("kafka://b:1/sluice.control", RulesTest.bytes(document(3)));
    start();
    control.attend(List.of(task));
    assertEquals(3, task.rules().version(), "before anything is read");
    poll(() -> consumer.setPollException(new KafkaException("gone")));
    assertTrue(closed.await(20, TimeUnit.SECONDS));
    control.attend(List.of(task));
    assertEquals(3, task.rules().version());
  }

  @Test
  void aTopicWithoutADocumentIsNoControl() throws InterruptedException {
    DocumentStore store = new DocumentStore(folder);
    store.keep("kafka://b:1/sluice.control", RulesTest.bytes(document(3)));
    start();
    control.attend(List.of(task));
    assertEquals(3, task.rules().version());
    publish();
    assertSame(Rules.NONE, task.rules(), "it was withdrawn while this process was not there");
    assertSame(Rules.NONE, store.load("kafka://b:1/sluice.control"));
    publish("collect", document(4));
    assertEquals(4, task.rules().version());
  }

  @Test
  void aDocumentFurtherOnIsWaitedFor() throws InterruptedException {
    new DocumentStore(folder).keep("kafka://b:1/sluice.control", RulesTest.bytes(document(3)));
    end = 2;
    start();
    publish("other", "x");
    assertEquals(3, task.rules().version(), "the topic goes on");
    publish("collect", document(4));
    assertEquals(4, task.rules().version());
  }
}
