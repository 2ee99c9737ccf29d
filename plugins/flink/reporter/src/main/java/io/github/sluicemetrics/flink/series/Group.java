package io.github.sluicemetrics.flink.series;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * The metrics that share a record: of one task, scope, name, kind and common labels. Its members are
 * guarded by the registry's lock.
 */
public final class Group {
  private final Key key;
  private final Site site;
  private final List<Entry> members = new ArrayList<>(4);

  Group(Key key, Site site) {
    this.key = key;
    this.site = site;
  }

  /** Returns the task that the metrics belong to. */
  public Task task() {
    return key.task;
  }

  /** Returns Flink's logical scope. */
  public String scope() {
    return key.scope;
  }

  /** Returns the name within the scope. */
  public String metric() {
    return key.metric;
  }

  /** Returns what kind of metrics they are. */
  public Kind kind() {
    return key.kind;
  }

  /** Returns a label that all have, or "". */
  public String common(String name) {
    return site.common(name);
  }

  Key key() {
    return key;
  }

  List<Entry> members() {
    return members;
  }

  void add(Entry e) {
    e.position(members.size());
    members.add(e);
  }

  void remove(Entry e) {
    Entry last = members.remove(members.size() - 1);
    if (last != e) {
      members.set(e.position(), last);
      last.position(e.position());
    }
  }

  /** What tells groups apart. */
  static final class Key {
    private final Task task;
    private final String scope;
    private final String metric;
    private final Kind kind;
    private final byte[] labels;

    Key(Task task, String scope, String metric, Kind kind, byte[] labels) {
      this.task = task;
      this.scope = scope;
      this.metric = metric;
      this.kind = kind;
      this.labels = labels;
    }

    @Override
    public boolean equals(Object o) {
      if (!(o instanceof Key)) {
        return false;
      }
      Key k = (Key) o;
      return task.equals(k.task) && kind == k.kind && metric.equals(k.metric) && scope.equals(k.scope) && Arrays.equals(labels, k.labels);
    }

    @Override
    public int hashCode() {
      return 31 * Objects.hash(task, scope, metric, kind) + Arrays.hashCode(labels);
    }
  }
}
