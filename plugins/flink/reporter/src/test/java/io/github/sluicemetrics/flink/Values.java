package io.github.sluicemetrics.flink;

import java.util.Arrays;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.HistogramStatistics;
import org.apache.flink.metrics.Meter;

/** Metrics with values that do not change, and that allocate nothing to tell them. */
final class Values {
  private Values() {}

  static final class FixedMeter implements Meter {
    private final long count;
    private final double rate;

    FixedMeter(long count, double rate) {
      this.count = count;
      this.rate = rate;
    }

    @Override
    public void markEvent() {}

    @Override
    public void markEvent(long n) {}

    @Override
    public double getRate() {
      return rate;
    }

    @Override
    public long getCount() {
      return count;
    }
  }

  static final class FixedHistogram implements Histogram {
    private final long count;
    private final HistogramStatistics statistics;

    FixedHistogram(long count, long... values) {
      this.count = count;
      this.statistics = new Statistics(values);
    }

    @Override
    public void update(long value) {}

    @Override
    public long getCount() {
      return count;
    }

    @Override
    public HistogramStatistics getStatistics() {
      return statistics;
    }
  }

  private static final class Statistics extends HistogramStatistics {
    private final long[] values;

    private final long min;
    private final long max;

    Statistics(long[] values) {
      this.values = values;
      this.min = Arrays.stream(values).min().orElse(0);
      this.max = Arrays.stream(values).max().orElse(0);
    }

    @Override
    public double getQuantile(double q) {
      return 100 * q;
    }

    @Override
    public long[] getValues() {
      return values.clone();
    }

    @Override
    public int size() {
      return values.length;
    }

    @Override
    public double getMean() {
      return 2.5;
    }

    @Override
    public double getStdDev() {
      return 0.5;
    }

    @Override
    public long getMax() {
      return max;
    }

    @Override
    public long getMin() {
      return min;
    }
  }
}
