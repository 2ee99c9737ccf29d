package io.github.sluicemetrics.flink.series;

/** A sample that a rule holds back, in case that none comes after it: its time and its point as JSON. */
public final class Held {
  private final long timestamp;
  private final byte[] point;

  public Held(long timestamp, byte[] point) {
    this.timestamp = timestamp;
    this.point = point;
  }

  /** Returns when the sample was taken, Unix milliseconds. */
  public long timestamp() {
    return timestamp;
  }

  /** Returns the point as JSON. */
  public byte[] point() {
    return point;
  }
}
