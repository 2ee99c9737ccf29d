package io.github.sluicemetrics.flink;

import io.github.sluicemetrics.flink.series.Registry;
import io.github.sluicemetrics.flink.series.TaskIds;
import io.github.sluicemetrics.flink.snapshot.Reader;
import io.github.sluicemetrics.flink.snapshot.Snapshot;
import java.util.List;
import java.util.Map;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MeterView;
import org.apache.flink.metrics.SimpleCounter;

/**
 * Reads metrics of nobody until the code that does so is loaded and compiled: what Flink's thread would
 * otherwise do in the first report.
 */
final class WarmUp {
  private static final int METRICS = 256;
  /** Enough for the compiler to take notice, a few milliseconds in all. */
  private static final int ROUNDS = 40;

  private WarmUp() {}

  static void run() {
    Registry registry = new Registry(new TaskIds("", null, "warm-up"));
    for (int i = 0; i < METRICS; i += 4) {
      Map<String, String> variables = Map.of("<host>", "h", "<subtask_index>", Integer.toString(i));
      Long whole = (long) i;
      Double number = i + 0.5;
      registry.add(new SimpleCounter(), "counter", "warm-up", variables);
      registry.add(new MeterView(new SimpleCounter(), 60), "meter", "warm-up", variables);
      registry.add((Gauge<Long>) () -> whole, "whole", "warm-up", variables);
      registry.add((Gauge<Double>) () -> number, "number", "warm-up", variables);
    }
    Reader reader = new Reader(registry, List.of());
    Snapshot s = new Snapshot();
    for (int i = 1; i <= ROUNDS; i++) {
      reader.read(s, i, i);
    }
  }
}
