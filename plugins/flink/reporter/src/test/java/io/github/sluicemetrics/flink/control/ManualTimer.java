package io.github.sluicemetrics.flink.control;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Time that goes on when it is told to. */
final class ManualTimer implements Timer {
  private final List<Due> due = new ArrayList<>();
  private long now;

  @Override
  public void after(Duration delay, Runnable task) {
    due.add(new Due(now + delay.toNanos(), task));
  }

  long nanos() {
    return now;
  }

  /** Lets time go on, and does on the way what is due. */
  void advance(Duration by) {
    long until = now + by.toNanos();
    while (true) {
      Due next = due.stream().filter(d -> d.at <= until).min(Comparator.comparingLong(d -> d.at)).orElse(null);
      if (next == null) {
        break;
      }
      due.remove(next);
      now = Math.max(now, next.at);
      next.task.run();
    }
    now = until;
  }

  private static final class Due {
    private final long at;
    private final Runnable task;

    Due(long at, Runnable task) {
      this.at = at;
      this.task = task;
    }
  }
}
