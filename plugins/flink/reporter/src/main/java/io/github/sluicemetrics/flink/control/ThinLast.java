package io.github.sluicemetrics.flink.control;

/**
 * Lets samples pass that may be the last of their interval: those after which another report in the
 * interval is not certain. The reader picks the last one of them.
 */
final class ThinLast implements Step {
  private final long every;

  ThinLast(long everyMillis) {
    every = everyMillis;
  }

  @Override
  public boolean passes(long at, long period) {
    return at + period * 5 / 2 > (Math.floorDiv(at, every) + 1) * every;
  }

  @Override
  public boolean holds() {
    return true;
  }
}
