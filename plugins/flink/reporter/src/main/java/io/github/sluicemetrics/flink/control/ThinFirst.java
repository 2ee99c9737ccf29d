package io.github.sluicemetrics.flink.control;

/** Lets the first sample of each interval pass. Intervals are aligned to the epoch. */
final class ThinFirst implements Step {
  private final long every;
  private long latest = Long.MIN_VALUE;

  ThinFirst(long everyMillis) {
    every = everyMillis;
  }

  @Override
  public boolean passes(long at, long period) {
    long interval = Math.floorDiv(at, every);
    boolean first = interval != latest;
    latest = interval;
    return first;
  }
}
