package io.github.sluicemetrics.flink.event;

import java.util.Map;
import java.util.TreeMap;

/** An event of Flink's as records need it, without types of Flink's that 1.20 does not have. Immutable. */
public final class Occurrence {
  private final String name;
  private final String severity;
  private final long timestamp;
  private final Map<String, String> variables = new TreeMap<>();
  private final Map<String, String> attributes = new TreeMap<>();

  /**
   * @param timestamp Unix milliseconds
   * @param all attributes, among them the variables of the metric group, with angle brackets
   */
  public Occurrence(String name, String severity, long timestamp, Map<String, ?> all) {
    this.name = name;
    this.severity = severity == null ? "" : severity;
    this.timestamp = timestamp;
    all.forEach((key, value) -> {
      if (key != null && value != null) {
        (key.startsWith("<") ? variables : attributes).put(key, value.toString());
      }
    });
  }

  String name() {
    return name;
  }

  String severity() {
    return severity;
  }

  /** Returns when it happened, Unix milliseconds. */
  public long timestamp() {
    return timestamp;
  }

  /** Returns the variables of the metric group, with angle brackets. */
  public Map<String, String> variables() {
    return variables;
  }

  /** Returns an attribute, "" for one that is not there. */
  String attribute(String key) {
    return attributes.getOrDefault(key, "");
  }

  Map<String, String> attributes() {
    return attributes;
  }
}
