package io.github.sluicemetrics.flink.control;

import io.github.sluicemetrics.flink.series.Task;
import java.util.List;

/** Where rules come from. Whatever happens to the source, tasks go on with the last good rules, or with none. */
public interface Control {
  /** No source: every task sends everything. */
  Control NONE =
      new Control() {
        @Override
        public void attend(List<Task> tasks) {}

        @Override
        public long age() {
          return -1;
        }

        @Override
        public void close() {}
      };

  /**
   * Gives tasks their rules, and stops caring for tasks that are not in the list. Called before each
   * report by the shipping thread; it does not wait for anything.
   */
  void attend(List<Task> tasks);

  /** Returns the milliseconds since the source was last heard, below 0 where there is none. */
  long age();

  /** Stops, at once. */
  void close();
}
