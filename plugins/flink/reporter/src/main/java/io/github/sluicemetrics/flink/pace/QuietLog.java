package io.github.sluicemetrics.flink.pace;

import java.time.Duration;
import java.util.function.LongSupplier;
import org.slf4j.Logger;

/**
 * Warnings that may come a thousand times a second, of which one in a while is written, saying how many
 * were not. Stack traces go to the debug level.
 */
public final class QuietLog {
  private final Logger log;
  private final long every;
  private final LongSupplier nanos;
  private long last;
  private long quiet = -1;

  public QuietLog(Logger log, Duration every, LongSupplier nanos) {
    this.log = log;
    this.every = every.toNanos();
    this.nanos = nanos;
  }

  /** Writes a warning, or counts it. */
  public synchronized void warn(String message, Throwable why) {
    long now = nanos.getAsLong();
    if (quiet >= 0 && now - last < every) {
      quiet++;
      return;
    }
    String more = quiet > 0 ? " (and " + quiet + " more like it)" : "";
    log.warn("{}: {}{}", message, why.toString(), more);
    log.debug(message, why);
    quiet = 0;
    last = now;
  }
}
