package io.github.sluicemetrics.flink.control;

import java.time.Duration;

/** Runs things later, on one thread. */
public interface Timer {
  /** Runs a task once after a delay. A task given after the end is ignored. */
  void after(Duration delay, Runnable task);
}
