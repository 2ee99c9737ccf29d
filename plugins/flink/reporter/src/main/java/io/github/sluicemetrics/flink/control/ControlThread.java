package io.github.sluicemetrics.flink.control;

import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The thread of {@link HttpControl}: a daemon. */
public final class ControlThread implements Timer, Executor {
  private final ScheduledThreadPoolExecutor pool;

  public ControlThread() {
    pool =
        new ScheduledThreadPoolExecutor(1, work -> {
          Thread t = new Thread(work, "sluice-control");
          t.setDaemon(true);
          return t;
        });
    pool.setRemoveOnCancelPolicy(true);
    pool.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  @Override
  public void after(Duration delay, Runnable task) {
    try {
      pool.schedule(task, delay.toMillis(), TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      // at the end
    }
  }

  @Override
  public void execute(Runnable task) {
    try {
      pool.execute(task);
    } catch (RejectedExecutionException e) {
      // at the end
    }
  }

  /** Ends the thread, at once. */
  public void close() {
    pool.shutdownNow();
  }
}
