package io.github.sluicemetrics.flink.kafka;

/** Why something was not delivered. */
public enum Drop {
  /** Records that found the producer's buffer full. */
  BUFFER("buffer"),
  /** Records that Kafka did not take in time, or refused. */
  TIMEOUT("timeout"),
  /** Reports, not records: a newer one came before they could be sent. */
  SKIPPED("skipped"),
  /** Records that could not be written. */
  ENCODE("encode"),
  /** Records above what Kafka takes, and single points above what a record holds. */
  TOO_LARGE("too_large");

  private final String word;

  Drop(String word) {
    this.word = word;
  }

  /** Returns the value of the label {@code reason}. */
  public String word() {
    return word;
  }
}
