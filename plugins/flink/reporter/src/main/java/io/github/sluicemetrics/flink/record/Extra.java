package io.github.sluicemetrics.flink.record;

import io.github.sluicemetrics.flink.json.JsonBytes;
import io.github.sluicemetrics.flink.series.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A metric that Flink did not register: its scope, name and points. Its record goes to the topic for custom metrics. */
public final class Extra {
  private final String origin;
  private final String scope;
  private final String metric;
  private final Kind kind;
  private final Map<String, String> labels;
  private final List<byte[]> points = new ArrayList<>();

  /**
   * @param origin system or event
   * @param labels of the record, in their order
   */
  public Extra(String origin, String scope, String metric, Kind kind, Map<String, String> labels) {
    this.origin = origin;
    this.scope = scope;
    this.metric = metric;
    this.kind = kind;
    this.labels = labels;
  }

  /** Adds a counter's point or a gauge's number. */
  public Extra point(Map<String, String> own, long v) {
    return add(begin(own).raw(kind == Kind.COUNTER ? "\"c\":" : "\"v\":").number(v));
  }

  /** Adds a gauge's number. */
  public Extra point(Map<String, String> own, double v) {
    return add(begin(own).raw("\"v\":").number(v));
  }

  /** Adds a gauge's text. */
  public Extra point(Map<String, String> own, String v) {
    return add(begin(own).raw("\"t\":").text(v));
  }

  private static JsonBytes begin(Map<String, String> own) {
    JsonBytes j = new JsonBytes(64).raw('{');
    if (!own.isEmpty()) {
      object(j.raw("\"l\":"), own).raw(',');
    }
    return j;
  }

  private Extra add(JsonBytes point) {
    points.add(point.raw('}').toBytes());
    return this;
  }

  /** Writes labels as an object, without empty ones. */
  static JsonBytes object(JsonBytes to, Map<String, String> labels) {
    String before = "";
    to.raw('{');
    for (Map.Entry<String, String> l : labels.entrySet()) {
      if (!l.getValue().isEmpty()) {
        to.raw(before).text(l.getKey()).raw(':').text(l.getValue());
        before = ",";
      }
    }
    return to.raw('}');
  }

  String metric() {
    return metric;
  }

  /** Writes the record but for its stamp. */
  void write(RecordBuffer to, JsonBytes json) {
    json.raw(",\"origin\":\"").raw(origin).raw("\",\"scope\":").text(scope).raw(",\"metric\":").text(metric);
    json.raw(",\"type\":\"").raw(kind.word()).raw("\",\"labels\":");
    object(json, labels);
    to.startPoints();
    for (byte[] p : points) {
      to.point().raw(p);
      to.endPoint();
    }
  }
}
