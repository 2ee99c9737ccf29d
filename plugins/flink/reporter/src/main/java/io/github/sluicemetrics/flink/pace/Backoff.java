package io.github.sluicemetrics.flink.pace;

import java.time.Duration;
import java.util.function.LongSupplier;

/** A pause after each failure in a row that is twice as long as the one before, up to a limit. */
public final class Backoff {
  private final long first;
  private final long most;
  private final LongSupplier nanos;
  private long pause;
  private long since;

  public Backoff(Duration first, Duration most, LongSupplier nanos) {
    this.first = first.toNanos();
    this.most = most.toNanos();
    this.nanos = nanos;
  }

  /** Reports whether the pause is over. Without a failure there is none. */
  public boolean due() {
    return pause == 0 || nanos.getAsLong() - since >= pause;
  }

  /** Starts the next pause. */
  public void failed() {
    pause = pause == 0 ? first : Math.min(2 * pause, most);
    since = nanos.getAsLong();
  }

  /** Ends the pauses. */
  public void reset() {
    pause = 0;
  }

  /** Returns the pause that {@link #failed} has started. */
  public Duration pause() {
    return Duration.ofNanos(pause);
  }
}
