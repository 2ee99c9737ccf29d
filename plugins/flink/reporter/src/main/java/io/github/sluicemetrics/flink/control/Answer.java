package io.github.sluicemetrics.flink.control;

/** Whether something holds. What cannot be told counts as perhaps, and in doubt a metric is sent. */
enum Answer {
  NO,
  PERHAPS,
  YES;

  static Answer of(boolean b) {
    return b ? YES : NO;
  }

  Answer and(Answer other) {
    return compareTo(other) <= 0 ? this : other;
  }

  Answer or(Answer other) {
    return compareTo(other) >= 0 ? this : other;
  }

  Answer not() {
    return this == PERHAPS ? this : of(this == NO);
  }
}
