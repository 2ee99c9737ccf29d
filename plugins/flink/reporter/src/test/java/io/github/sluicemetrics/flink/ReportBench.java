package io.github.sluicemetrics.flink;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.SimpleCounter;

/**
 * Measures report(), on Flink's thread, and what the reporter's own thread does after it. Run it with the
 * number of metrics as argument, and with -Dcold=true to see a first report without the warm-up.
 */
public final class ReportBench {
  private static final int ROUNDS = 60;
  private static final double MILLI = 1e6;

  private ReportBench() {}

  public static void main(String[] args) {
    if (!Boolean.getBoolean("cold")) {
      WarmUp.run(); // as the reporter's thread does
    }
    int metrics = args.length > 0 ? Integer.parseInt(args[0]) : 1000;
    run("counters, meters, gauges", metrics, false);
    run("one histogram in ten", metrics, true);
  }

  private static void run(String what, int metrics, boolean histograms) {
    Rig rig = new Rig();
    Long boxed = 123_456_789_123L;
    Double number = 689.4837261;
    int subtasks = 8;
    for (int i = 0; i < metrics; i++) {
      FakeGroup g = FakeGroup.operator(i % subtasks, 0);
      String name = "metric" + i / subtasks;
      int kind = i / subtasks % 10;
      if (kind < 3) {
        rig.add(new SimpleCounter(), name, g);
      } else if (kind < 5) {
        rig.add(new Values.FixedMeter(i, i + 0.25), name, g);
      } else if (kind == 5 && histograms) {
        rig.add(new Values.FixedHistogram(i, 1, 2, 3), name, g);
      } else if (kind < 7) {
        rig.add((Gauge<Double>) () -> number, name, g);
      } else {
        rig.add((Gauge<Long>) () -> boxed, name, g);
      }
    }
    ThreadMXBean bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long me = Thread.currentThread().getId();
    long[] report = new long[ROUNDS];
    long[] ship = new long[ROUNDS];
    long[] bytes = new long[ROUNDS];
    long first = 0;
    long sent = 0;
    for (int i = 0; i < ROUNDS; i++) {
      rig.transport.sent.clear();
      long before = bean.getThreadAllocatedBytes(me);
      long cpu = bean.getCurrentThreadCpuTime();
      long t0 = System.nanoTime();
      rig.reporting.report();
      long t1 = System.nanoTime();
      first = i == 0 ? bean.getCurrentThreadCpuTime() - cpu : first;
      bytes[i] = bean.getThreadAllocatedBytes(me) - before;
      rig.reporting.ship();
      ship[i] = System.nanoTime() - t1;
      report[i] = t1 - t0;
      sent = rig.transport.sent.stream().mapToLong(s -> s.value.length()).sum();
    }
    int records = rig.transport.sent.size();
    Arrays.sort(report);
    Arrays.sort(ship);
    Arrays.sort(bytes);
    System.out.printf(
        "%d metrics, %s: report() median %.3f ms, worst of the warm half %.3f ms, first %.1f ms of CPU, %d bytes allocated;"
            + " own thread %.1f ms for %d records, %d bytes%n",
        metrics, what, report[ROUNDS / 2] / MILLI, report[ROUNDS * 3 / 4] / MILLI, first / MILLI, bytes[ROUNDS / 2],
        ship[ROUNDS / 2] / MILLI, records, sent);
  }
}
