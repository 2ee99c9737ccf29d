package io.github.sluicemetrics.flink.record;

import io.github.sluicemetrics.flink.json.JsonBytes;

/**
 * Builds records of points one after the other in one buffer, and cuts them where they would become too
 * large. A record without points is not sent.
 */
final class RecordBuffer {
  /** Most points of one record. */
  static final int MAX_POINTS = 1000;

  /** Most bytes of one record. */
  static final int MAX_BYTES = 256 << 10;

  private static final String CLOSE = "]}";

  private final JsonBytes json = new JsonBytes(MAX_BYTES);
  private final RecordSink sink;
  private String topic;
  private byte[] key;
  private int head;
  private int start;
  private int points;
  private int records;

  RecordBuffer(RecordSink sink) {
    this.sink = sink;
  }

  /** Begins records for a topic under a key; the caller writes what stands before the points. */
  JsonBytes open(String toTopic, byte[] underKey) {
    topic = toTopic;
    key = underKey;
    points = 0;
    records = 0;
    return json.clear();
  }

  /** Ends the part before the points. */
  void startPoints() {
    json.raw(",\"points\":[");
    head = json.length();
    start = head;
  }

  /** Begins a point; the caller writes it. */
  JsonBytes point() {
    if (points == MAX_POINTS) {
      flush();
    }
    start = json.length();
    if (points > 0) {
      json.raw(',');
    }
    return json;
  }

  /** Takes back the point begun last and returns it. */
  byte[] cancelPoint() {
    byte[] point = json.tail(points > 0 ? start + 1 : start);
    json.truncate(start);
    return point;
  }

  /** Ends a point. */
  void endPoint() {
    if (json.length() + CLOSE.length() <= MAX_BYTES) {
      points++;
    } else if (points == 0) {
      json.truncate(head);
      sink.tooLarge();
    } else {
      byte[] last = json.tail(start + 1);
      json.truncate(start);
      flush();
      start = json.length();
      json.raw(last);
      endPoint();
    }
  }

  /** Sends what is left and returns how many records were sent since {@link #open}. */
  int close() {
    flush();
    return records;
  }

  /** Sends a record without points and returns 1. */
  int closePlain() {
    sink.accept(topic, key, json.raw('}').toBytes());
    return 1;
  }

  private void flush() {
    if (points > 0) {
      sink.accept(topic, key, json.raw(CLOSE).toBytes());
      records++;
    }
    points = 0;
    json.truncate(head);
  }
}
