package io.github.sluicemetrics.flink.record;

/** Takes finished records. */
public interface RecordSink {
  /** Takes a record; the arrays are the sink's from now on. */
  void accept(String topic, byte[] key, byte[] value);

  /** Notes that a point was given up because no record holds it. */
  void tooLarge();
}
