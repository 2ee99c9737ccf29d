package io.github.sluicemetrics.flink.ship;

import io.github.sluicemetrics.flink.kafka.Drop;
import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.record.Extra;
import io.github.sluicemetrics.flink.record.ReportWriter;
import io.github.sluicemetrics.flink.series.Kind;
import io.github.sluicemetrics.flink.series.Task;
import io.github.sluicemetrics.flink.snapshot.Handover;
import io.github.sluicemetrics.flink.snapshot.Reader;
import java.util.Map;
import java.util.function.LongSupplier;

/** What the reporter tells about itself, in every report. */
public final class SelfMetrics {
  private static final String ORIGIN = "system";
  private static final String SCOPE = "reporter";
  private static final double NANOS_PER_MILLI = 1e6;

  private final Task process;
  private final Tally tally;
  private final Handover handover;
  private final Reader reader;
  private final LongSupplier controlAge;
  private volatile long nanos;

  /**
   * @param process whom the metrics belong to
   * @param controlAge milliseconds since the source of control was last heard, below 0 for never
   */
  public SelfMetrics(Task process, Tally tally, Handover handover, Reader reader, LongSupplier controlAge) {
    this.process = process;
    this.tally = tally;
    this.handover = handover;
    this.reader = reader;
    this.controlAge = controlAge;
  }

  /** Returns whom the metrics belong to. */
  public Task process() {
    return process;
  }

  /** Notes how long Flink's thread was busy with the last report. */
  public void took(long reportNanos) {
    nanos = reportNanos;
  }

  /** Returns what was lost for a reason. */
  long lost(Drop why) {
    return why == Drop.SKIPPED ? handover.skipped() : tally.lost(why);
  }

  /**
   * Writes the records.
   *
   * @param as whom the metrics belong to, with its rules
   * @param live how many metrics are registered
   * @param labels say which process and reporter
   */
  void write(ReportWriter to, Task as, int live, Map<String, String> labels) {
    to.write(as, metric("sent", Kind.COUNTER, labels).point(Map.of(), tally.sent()));
    to.write(as, metric("bytes", Kind.COUNTER, labels).point(Map.of(), tally.bytes()));
    Extra dropped = metric("dropped", Kind.COUNTER, labels);
    for (Drop why : Drop.values()) {
      dropped.point(Map.of("reason", why.word()), lost(why));
    }
    to.write(as, dropped);
    to.write(as, metric("failed_reads", Kind.COUNTER, labels).point(Map.of(), reader.failed()));
    to.write(as, metric("report_ms", Kind.GAUGE, labels).point(Map.of(), nanos / NANOS_PER_MILLI));
    to.write(as, metric("live_metrics", Kind.GAUGE, labels).point(Map.of(), live));
    to.write(as, metric("control_version", Kind.GAUGE, labels).point(Map.of(), as.rules().version()));
    long age = controlAge.getAsLong();
    if (age >= 0) {
      to.write(as, metric("control_age_ms", Kind.GAUGE, labels).point(Map.of(), age));
    }
  }

  private static Extra metric(String name, Kind kind, Map<String, String> labels) {
    return new Extra(ORIGIN, SCOPE, name, kind, labels);
  }
}
