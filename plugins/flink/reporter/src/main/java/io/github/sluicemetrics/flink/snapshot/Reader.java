package io.github.sluicemetrics.flink.snapshot;

import io.github.sluicemetrics.flink.series.Entry;
import io.github.sluicemetrics.flink.series.Kind;
import io.github.sluicemetrics.flink.series.Plan;
import io.github.sluicemetrics.flink.series.Registry;
import io.github.sluicemetrics.flink.series.Roster;
import java.math.BigInteger;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAccumulator;
import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.HistogramStatistics;
import org.apache.flink.metrics.Meter;
import org.apache.flink.metrics.Metric;

/**
 * Copies the values of metrics into a snapshot. It runs on Flink's thread and allocates nothing itself;
 * what gauges and histograms allocate to answer is theirs. A metric that fails harms no other one.
 */
public final class Reader {
  private final Registry registry;
  private final double[] quantiles;
  private volatile long failed; // written by Flink's thread only

  /**
   * @param quantiles what to ask histograms for, each from 0 to 1
   */
  public Reader(Registry registry, List<Double> quantiles) {
    this.registry = registry;
    this.quantiles = quantiles.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /** Fills a snapshot with what is registered now. */
  public void read(Snapshot into, long at, long sequence) {
    Roster roster = registry.roster(into.ended());
    into.begin(roster, at, sequence);
    for (int i = 0; i < roster.size(); i++) {
      Entry e = roster.entry(i);
      Plan plan = e.plan();
      if (plan != null && plan.skip()) {
        into.none(i, Form.UNWANTED);
      } else {
        read(into, i, e.metric(), e.group().kind());
      }
    }
  }

  /** Fills a snapshot with what has ended, and asks no metric: for a process that goes down. */
  public void readEnds(Snapshot into, long at, long sequence) {
    registry.roster(into.ended());
    into.begin(Roster.EMPTY, at, sequence);
  }

  /** Returns how many times a metric could not be read. */
  public long failed() {
    return failed;
  }

  private void read(Snapshot into, int i, Metric metric, Kind kind) {
    try {
      switch (kind) {
        case COUNTER:
          into.whole(i, Form.COUNT, ((Counter) metric).getCount());
          break;
        case METER:
          Meter m = (Meter) metric;
          into.meter(i, m.getCount(), m.getRate());
          break;
        case HISTOGRAM:
          histogram(into, i, (Histogram) metric);
          break;
        default:
          gauge(into, i, ((Gauge<?>) metric).getValue());
      }
    } catch (Throwable e) { // code of jobs, perhaps with its class loader closed already
      if (e instanceof VirtualMachineError && !(e instanceof StackOverflowError)) {
        throw e;
      }
      failed = failed + 1;
      into.none(i, Form.FAILED);
    }
  }

  private static void gauge(Snapshot into, int i, Object v) {
    if (v instanceof Number) {
      number(into, i, (Number) v);
    } else if (v == null) {
      into.none(i, Form.NONE);
    } else if (v instanceof Boolean) {
      into.whole(i, Form.BOOLEAN, (Boolean) v ? 1 : 0);
    } else {
      String text = v.toString();
      if (text == null) {
        into.none(i, Form.NONE);
      } else {
        into.text(i, text);
      }
    }
  }

  private static void number(Snapshot into, int i, Number v) {
    if (v instanceof Double || v instanceof Float) {
      into.number(i, v.doubleValue());
    } else if (isWhole(v)) {
      into.whole(i, Form.WHOLE, v.longValue());
    } else {
      into.number(i, v.doubleValue());
    }
  }

  private static boolean isWhole(Number v) {
    return v instanceof Long
        || v instanceof Integer
        || v instanceof AtomicLong
        || v instanceof LongAdder
        || v instanceof LongAccumulator
        || v instanceof AtomicInteger
        || v instanceof Short
        || v instanceof Byte
        || v instanceof BigInteger && ((BigInteger) v).bitLength() < Long.SIZE;
  }

  private void histogram(Snapshot into, int i, Histogram h) {
    long count = h.getCount();
    HistogramStatistics s = h.getStatistics();
    int at = into.histogram(i, count, quantiles.length);
    into.statistic(at, (long) s.size());
    into.statistic(at + 1, s.getMin());
    into.statistic(at + 2, s.getMax());
    into.statistic(at + 3, s.getMean());
    into.statistic(at + 4, s.getStdDev());
    for (int q = 0; q < quantiles.length; q++) {
      into.statistic(at + Snapshot.STATISTICS + q, s.getQuantile(quantiles[q]));
    }
  }
}
