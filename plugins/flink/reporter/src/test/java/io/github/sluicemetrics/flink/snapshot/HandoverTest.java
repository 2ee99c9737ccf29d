package io.github.sluicemetrics.flink.snapshot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.FakeGroup;
import io.github.sluicemetrics.flink.series.Registry;
import io.github.sluicemetrics.flink.series.Roster;
import io.github.sluicemetrics.flink.series.TaskIds;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.metrics.Gauge;
import org.junit.jupiter.api.Test;

class HandoverTest {
  /** Whatever the two threads do, every report is either shipped or counted, and the newest comes through. */
  @Test
  void nothingIsLostUncounted() throws InterruptedException {
    Handover h = new Handover();
    int reports = 20_000;
    AtomicLong shipped = new AtomicLong();
    AtomicLong latest = new AtomicLong();
    CountDownLatch done = new CountDownLatch(1);
    Thread shipper =
        new Thread(() -> {
          try {
            while (!h.closed()) {
              h.await();
              ship(h, shipped, latest);
            }
            ship(h, shipped, latest);
            done.countDown();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    shipper.start();
    for (int i = 1; i <= reports; i++) {
      Snapshot s = h.toFill();
      assertNotNull(s, "there is always one to fill");
      s.begin(Roster.EMPTY, i, i);
      h.publish(s);
    }
    h.close();
    assertTrue(done.await(20, TimeUnit.SECONDS));
    assertEquals(reports, shipped.get() + h.skipped());
    assertEquals(reports, latest.get());
  }

  private static void ship(Handover h, AtomicLong shipped, AtomicLong latest) {
    Snapshot s = h.take();
    if (s != null) {
      assertTrue(s.sequence() > latest.get());
      latest.set(s.sequence());
      shipped.incrementAndGet();
      h.giveBack(s);
    }
  }

  @Test
  void whatWasShippedHoldsNothingOfJobs() {
    Registry registry = new Registry(new TaskIds("", null, "c"));
    Gauge<String> gauge = () -> "text";
    registry.add(gauge, "m", new FakeGroup("s", "job_id", "7f"));
    Handover h = new Handover();
    Snapshot[] both = {h.toFill(), h.toFill()};
    for (Snapshot s : both) {
      new Reader(registry, List.of()).read(s, 1, 1);
      assertEquals("text", s.text(0));
      h.giveBack(s);
      assertEquals(0, s.roster().size(), "or the one that is spare keeps the class loader of a job for ever");
      assertNull(s.text(0));
    }
  }
}
