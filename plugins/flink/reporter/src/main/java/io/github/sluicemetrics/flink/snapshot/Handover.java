package io.github.sluicemetrics.flink.snapshot;

/**
 * Passes snapshots from Flink's thread, which never waits here, to the thread that ships them. There are
 * two: one to fill and one to ship. A snapshot that nobody has taken by the next report is filled anew:
 * the newest wins, and the one lost is counted.
 */
public final class Handover {
  private Snapshot free = new Snapshot();
  private Snapshot spare = new Snapshot();
  private Snapshot pending;
  private long skipped;
  private boolean closed;

  /** Returns a snapshot for the caller to fill and publish. One thread fills at a time. */
  public synchronized Snapshot toFill() {
    if (pending != null) {
      Snapshot s = pending;
      pending = null;
      skipped++;
      return s;
    }
    Snapshot s = free != null ? free : spare;
    if (s == free) {
      free = null;
    } else {
      spare = null;
    }
    return s;
  }

  /** Offers a filled snapshot for shipping. */
  public synchronized void publish(Snapshot s) {
    pending = s;
    notifyAll();
  }

  /** Returns the latest snapshot, for the caller to ship and give back, or null when there is none. */
  public synchronized Snapshot take() {
    Snapshot s = pending;
    pending = null;
    return s;
  }

  /** Returns a snapshot that has been shipped, or that could not be filled. */
  public void giveBack(Snapshot s) {
    s.release();
    synchronized (this) {
      if (free == null) {
        free = s;
      } else {
        spare = s;
      }
    }
  }

  /** Waits until there is a snapshot or the end has come. */
  public synchronized void await() throws InterruptedException {
    while (pending == null && !closed) {
      wait();
    }
  }

  /** Waits for some milliseconds, or until the end has come. */
  public synchronized void pause(long millis) throws InterruptedException {
    long until = System.nanoTime() + millis * 1_000_000;
    for (long left = millis; left > 0 && !closed; left = (until - System.nanoTime()) / 1_000_000) {
      wait(left);
    }
  }

  /** Lets the shipping thread come to its end. */
  public synchronized void close() {
    closed = true;
    notifyAll();
  }

  /** Reports whether the end has come. */
  public synchronized boolean closed() {
    return closed;
  }

  /** Returns how many reports were never shipped because a newer one came first. */
  public synchronized long skipped() {
    return skipped;
  }
}
