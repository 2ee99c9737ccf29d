package io.github.sluicemetrics.flink.kafka;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/** Counts what became of records. Every record that is handed to a {@link Transport} is counted once. */
public final class Tally {
  private final AtomicLong sent = new AtomicLong();
  private final AtomicLong bytes = new AtomicLong();
  private final AtomicLongArray dropped = new AtomicLongArray(Drop.values().length);

  /** Notes a record that Kafka has taken, of a size in bytes before compression. */
  public void sent(int size) {
    sent.incrementAndGet();
    bytes.addAndGet(size);
  }

  /** Notes one that was lost. */
  public void dropped(Drop why) {
    dropped.incrementAndGet(why.ordinal());
  }

  /** Returns how many records Kafka has taken. */
  public long sent() {
    return sent.get();
  }

  /** Returns their bytes before compression, without keys. */
  public long bytes() {
    return bytes.get();
  }

  /** Returns how many were lost for a reason. */
  public long lost(Drop why) {
    return dropped.get(why.ordinal());
  }
}
