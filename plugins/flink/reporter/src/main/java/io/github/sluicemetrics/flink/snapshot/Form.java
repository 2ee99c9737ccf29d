package io.github.sluicemetrics.flink.snapshot;

/** What a snapshot holds of a metric. */
public enum Form {
  /** Nothing: the metric has no value now. */
  NONE,
  /** Nothing: rules say that nobody wants it. */
  UNWANTED,
  /** Nothing: it could not be read. */
  FAILED,
  /** A counter's count. */
  COUNT,
  /** A gauge's whole number. */
  WHOLE,
  /** A gauge's number. */
  NUMBER,
  /** A gauge's boolean, as 0 or 1. */
  BOOLEAN,
  /** A gauge's text. */
  TEXT,
  /** A meter's count and rate. */
  RATE,
  /** A histogram's count and statistics. */
  STATISTIC
}
