package io.github.sluicemetrics.flink.kafka;

import java.time.Duration;

/**
 * Where records go. Used by one thread. No method waits longer than a moment, and none throws because of
 * the state of the network.
 */
public interface Transport {
  /**
   * Reports whether records for a topic can be taken now. While not, each call is another attempt to
   * connect.
   */
  boolean ready(String topic);

  /** Takes a record, or loses it; either is counted once, now or later. Keeps the arrays. */
  void send(String topic, byte[] key, byte[] value);

  /** Sends what it has for at most a time, then lets go of everything. For any thread. */
  void close(Duration most);
}
