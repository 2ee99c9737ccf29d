package io.github.sluicemetrics.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.SimpleCounter;
import org.junit.jupiter.api.Test;

/** A report must not cost Flink's thread memory for each metric. */
class AllocationTest {
  /** What one report may allocate: an iterator or two, whatever the number of metrics. */
  private static final long PER_REPORT = 1024;

  private static final int METRICS = 5000;

  @Test
  void reportsAllocateNothingPerMetric() {
    Rig rig = new Rig();
    Long boxed = 123_456_789L;
    Double number = 0.25;
    for (int i = 0; i < METRICS / 5; i++) {
      FakeGroup g = FakeGroup.operator(i % 100, 0);
      rig.add(new SimpleCounter(), "counter" + i, g);
      rig.add(new Values.FixedMeter(i, i), "meter" + i, g);
      rig.add((Gauge<Long>) () -> boxed, "long" + i, g);
      rig.add((Gauge<Double>) () -> number, "double" + i, g);
      rig.add(new Values.FixedHistogram(i, 1), "histogram" + i, g);
    }
    ThreadMXBean bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    assumeTrue(bean.isThreadAllocatedMemorySupported());
    for (int i = 0; i < 20; i++) {
      rig.report();
    }
    long least = Long.MAX_VALUE;
    for (int i = 0; i < 20; i++) {
      rig.transport.sent.clear();
      long before = bean.getThreadAllocatedBytes(Thread.currentThread().getId());
      rig.reporting.report();
      least = Math.min(least, bean.getThreadAllocatedBytes(Thread.currentThread().getId()) - before);
      rig.reporting.ship();
    }
    assertTrue(least <= PER_REPORT, least + " bytes for " + METRICS + " metrics");
  }
}
