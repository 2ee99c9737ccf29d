package io.github.sluicemetrics.flink.series;

import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.Meter;
import org.apache.flink.metrics.Metric;

/** Flink's types of metrics, by the word that records and rules use. */
public enum Kind {
  COUNTER("counter"),
  GAUGE("gauge"),
  METER("meter"),
  HISTOGRAM("histogram");

  private final String word;

  Kind(String word) {
    this.word = word;
  }

  /** Returns the word on the wire. */
  public String word() {
    return word;
  }

  /** Returns the kind of a metric, null for one that Flink has no type for. */
  public static Kind of(Metric metric) {
    if (metric instanceof Counter) {
      return COUNTER;
    }
    if (metric instanceof Gauge) {
      return GAUGE;
    }
    if (metric instanceof Meter) {
      return METER;
    }
    return metric instanceof Histogram ? HISTOGRAM : null;
  }
}
