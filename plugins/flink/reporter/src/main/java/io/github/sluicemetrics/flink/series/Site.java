package io.github.sluicemetrics.flink.series;

import io.github.sluicemetrics.flink.json.JsonBytes;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Where a metric is registered: the variables of its group in Flink, sorted into what a record says
 * once and what it says of each point. Metrics of one group share a site. Immutable, but for what it
 * keeps to not compute it twice.
 */
public final class Site {
  /** Labels of the record, in the order of the wire contract. Everything else belongs to the points. */
  private static final List<String> COMMON =
      List.of("host", "tm_id", "job_id", "job_name", "task_id", "task_name", "operator_id", "operator_name");

  private static final String SUBTASK = "subtask_index";
  private static final String ATTEMPT = "task_attempt_num";
  private static final String TASK = "torrent_task_id";
  private static final int ABSENT = -1;

  private final Task task;
  private final Map<String, String> common;
  private final Map<String, String> own;
  private final int subtask;
  private final int attempt;
  private final Rendering whole;
  private volatile Map<String, String> labels;
  private volatile Rendering latest;

  /** Makes the site of variables as Flink has them, with angle brackets. */
  public Site(Task task, Map<String, String> variables) {
    this.task = task;
    Map<String, String> rest = new TreeMap<>(Names.ORDER);
    variables.forEach((name, value) -> {
      if (name != null && value != null && !value.isEmpty()) {
        rest.put(Names.valid(Names.plain(name)), Names.valid(value));
      }
    });
    common = new LinkedHashMap<>();
    for (String name : COMMON) {
      String value = rest.remove(name);
      if (value != null) {
        common.put(name, value);
      }
    }
    subtask = index(rest, SUBTASK);
    attempt = index(rest, ATTEMPT);
    own = rest;
    whole = new Rendering(Set.of());
    latest = whole;
  }

  /** Takes a number out of the variables; text that is none stays a label. */
  private static int index(Map<String, String> variables, String name) {
    String value = variables.get(name);
    if (value == null || value.length() > 9 || !value.chars().allMatch(c -> c >= '0' && c <= '9')) {
      return ABSENT;
    }
    variables.remove(name);
    return Integer.parseInt(value);
  }

  /** Returns the task that the metrics belong to. */
  public Task task() {
    return task;
  }

  /** Returns a label of the record, or "". */
  public String common(String name) {
    return common.getOrDefault(name, "");
  }

  /**
   * Returns all labels that rules see, sorted by name: those of the record and of the point, and the
   * task, subtask and attempt. None is empty.
   */
  public Map<String, String> labels() {
    Map<String, String> l = labels;
    if (l == null) {
      l = new TreeMap<>(Names.ORDER);
      put(l, common);
      l.putIfAbsent(TASK, task.id());
      putNumber(l, SUBTASK, subtask);
      putNumber(l, ATTEMPT, attempt);
      put(l, own);
      labels = l;
    }
    return l;
  }

  private static void put(Map<String, String> labels, Map<String, String> written) {
    written.forEach((name, value) -> labels.put(Names.label(name), value));
  }

  private static void putNumber(Map<String, String> labels, String name, int n) {
    if (n >= 0) {
      labels.putIfAbsent(name, Integer.toString(n));
    }
  }

  /** Returns the names of all labels that records carry, as they are written there. */
  public Set<String> names() {
    Set<String> out = new LinkedHashSet<>(common.keySet());
    out.addAll(own.keySet());
    return out;
  }

  /** Returns the labels as JSON, all of them. */
  public Rendering whole() {
    return whole;
  }

  /** Returns the labels as JSON without those of the names given, as they are written. */
  public Rendering without(Set<String> dropped) {
    if (dropped.isEmpty()) {
      return whole;
    }
    Rendering r = latest;
    if (!r.dropped.equals(dropped)) {
      r = new Rendering(dropped);
      latest = r;
    }
    return r;
  }

  /** What a record says of a site, as JSON. */
  public final class Rendering {
    private final Set<String> dropped;
    private final byte[] record;
    private final byte[] point;

    private Rendering(Set<String> dropped) {
      this.dropped = dropped;
      record = object(common);
      JsonBytes p = new JsonBytes(96).raw('{');
      if (subtask >= 0) {
        p.raw("\"s\":").number(subtask).raw(',');
      }
      if (attempt >= 0) {
        p.raw("\"a\":").number(attempt).raw(',');
      }
      byte[] labels = object(own);
      if (labels.length > 2) {
        p.raw("\"l\":").raw(labels).raw(',');
      }
      point = p.toBytes();
    }

    private byte[] object(Map<String, String> labels) {
      JsonBytes j = new JsonBytes(256).raw('{');
      labels.forEach((name, value) -> {
        if (!dropped.contains(name)) {
          j.raw(j.length() == 1 ? "" : ",").text(name).raw(':').text(value);
        }
      });
      return j.raw('}').toBytes();
    }

    /** Returns the object of the labels of the record. */
    public byte[] record() {
      return record;
    }

    /** Returns the beginning of a point: its brace and the fields before the value, with a comma behind each. */
    public byte[] point() {
      return point;
    }
  }
}
