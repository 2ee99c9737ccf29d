package io.github.sluicemetrics.flink.control;

import java.util.Map;

/** A series as rules see it. Immutable. */
public final class Subject {
  private final String task;
  private final String series;
  private final String kind;
  private final String origin;
  private final Map<String, String> labels;

  /**
   * @param task the torrent_task_id
   * @param series the name of the series
   * @param kind the word for its type
   * @param origin who registered it, "" when that is not sure
   * @param labels all labels, sorted by name, none empty; with torrent_task_id, subtask_index and
   *     task_attempt_num
   */
  public Subject(String task, String series, String kind, String origin, Map<String, String> labels) {
    this.task = task;
    this.series = series;
    this.kind = kind;
    this.origin = origin;
    this.labels = labels;
  }

  String task() {
    return task;
  }

  String job() {
    return label("job_name");
  }

  String series() {
    return series;
  }

  String kind() {
    return kind;
  }

  String origin() {
    return origin;
  }

  String label(String name) {
    return labels.getOrDefault(name, "");
  }

  Map<String, String> labels() {
    return labels;
  }
}
