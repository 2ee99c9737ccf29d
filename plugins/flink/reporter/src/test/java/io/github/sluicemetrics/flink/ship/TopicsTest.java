package io.github.sluicemetrics.flink.ship;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.sluicemetrics.flink.kafka.Transport;
import io.github.sluicemetrics.flink.snapshot.Handover;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class TopicsTest {
  private int asked;
  private int knownAfter;
  private long now;

  private Topics topics() {
    Handover closed = new Handover();
    closed.close(); // then pauses take no time
    return new Topics(
        new Transport() {
          @Override
          public boolean ready(String topic) {
            return ++asked >= knownAfter;
          }

          @Override
          public void send(String topic, byte[] key, byte[] value) {}

          @Override
          public void close(Duration most) {}
        },
        closed, () -> now);
  }

  @Test
  void aNewTopicIsWaitedForOnce() throws InterruptedException {
    knownAfter = 3;
    Topics t = topics();
    t.settle("a");
    assertEquals(3, asked);
    t.settle("a");
    assertEquals(3, asked, "known for good");
  }

  @Test
  void aTopicThatIsNotThereDoesNotHoldUpEveryRecord() throws InterruptedException {
    knownAfter = Integer.MAX_VALUE;
    Topics t = topics();
    t.settle("a");
    assertEquals(20, asked);
    t.settle("a");
    assertEquals(21, asked);
    now += Duration.ofSeconds(31).toNanos();
    t.settle("a");
    assertEquals(41, asked);
  }

  @Test
  void eachReportLooksAgain() throws InterruptedException {
    knownAfter = 1;
    Topics t = topics();
    t.begin();
    t.settle("a");
    t.settle("a");
    assertEquals(1, asked);
    t.begin();
    t.settle("a");
    assertEquals(2, asked, "the producer forgets topics that are not used for minutes");
  }
}
