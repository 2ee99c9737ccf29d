package io.github.sluicemetrics.flink.series;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.flink.metrics.CharacterFilter;
import org.apache.flink.metrics.LogicalScopeProvider;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricGroup;

/**
 * All metrics that Flink has registered in this process, prepared and grouped. To add or remove one
 * takes constant time and never waits for a report: the lock is held for a few map operations, and once
 * after a change to list the metrics for the next report, never while a metric is read.
 */
public final class Registry {
  private final TaskIds ids;
  private final Map<Key, Entry> entries = new HashMap<>();
  private final Map<Group.Key, Group> groups = new HashMap<>();
  private final Map<List<String>, Task> tasks = new HashMap<>();
  private Map<Series, Entry> ended = new LinkedHashMap<>();
  private Roster roster;
  private Map<String, String> latestVariables;
  private Site latestSite;

  public Registry(TaskIds ids) {
    this.ids = ids;
    this.roster = Roster.EMPTY;
  }

  /** Adds a metric. One that is there already under the same name, scope and variables stays as it is. */
  public void add(Metric metric, String name, MetricGroup group) {
    if (Kind.of(metric) != null) {
      add(key(metric, name, group));
    }
  }

  /** Adds a metric of a kind that there is, at a logical scope and with Flink's variables. */
  public void add(Metric metric, String name, String scope, Map<String, String> variables) {
    add(new Key(metric, Names.valid(name), Names.valid(scope), variables));
  }

  private void add(Key key) {
    Kind kind = Kind.of(key.metric);
    synchronized (this) {
      if (entries.containsKey(key)) {
        return;
      }
      Site site = site(key.variables);
      Group.Key shared = new Group.Key(site.task(), key.scope, key.name, kind, site.whole().record());
      Group in = groups.computeIfAbsent(shared, k -> new Group(k, site));
      Entry e = new Entry(key.metric, site, in);
      in.add(e);
      entries.put(key, e);
      Entry before = ended.isEmpty() ? null : ended.remove(new Series(e));
      if (before != null) {
        e.open(before.open()); // registered anew: the series goes on
      }
      if (site.task().count(1) == 1) {
        tasks.put(List.of(site.task().id(), site.task().job()), site.task());
      }
      roster = null;
    }
  }

  /** Removes a metric; its end is told in the next report. */
  public void remove(Metric metric, String name, MetricGroup group) {
    Key key = key(metric, name, group);
    synchronized (this) {
      Entry e = entries.remove(key);
      if (e == null) {
        return;
      }
      Group in = e.group();
      in.remove(e);
      if (in.members().isEmpty()) {
        groups.remove(in.key());
      }
      Task task = in.task();
      if (task.count(-1) == 0) {
        tasks.remove(List.of(task.id(), task.job()));
        latestVariables = null;
      }
      ended.put(new Series(e), e);
      roster = null;
    }
  }

  /**
   * Lists what is registered; the same list is returned until something changes. What was removed since
   * the last call, and not registered again, is added to {@code ends}.
   */
  public synchronized Roster roster(List<Entry> ends) {
    if (!ended.isEmpty()) {
      ends.addAll(ended.values());
      ended = new LinkedHashMap<>();
    }
    if (roster == null) {
      Entry[] list = new Entry[entries.size()];
      int n = 0;
      for (Group g : groups.values()) {
        for (Entry e : g.members()) {
          list[n++] = e;
        }
      }
      roster = new Roster(list, tasks.values().toArray(new Task[0]));
    }
    return roster;
  }

  private Site site(Map<String, String> variables) {
    if (variables != latestVariables && !variables.equals(latestVariables)) { // some Flinks make a map for each metric
      latestSite = new Site(task(variables), variables);
      latestVariables = variables;
    }
    return latestSite;
  }

  private Task task(Map<String, String> variables) {
    String id = ids.of(variables);
    String job = ids.job(variables);
    Task known = tasks.get(List.of(id, job));
    return known != null ? known : new Task(id, job);
  }

  private static Key key(Metric metric, String name, MetricGroup group) {
    String scope = LogicalScopeProvider.castFrom(group).getLogicalScope(CharacterFilter.NO_OP_FILTER, '.');
    return new Key(metric, Names.valid(name), Names.valid(scope), group.getAllVariables());
  }

  /** What tells registrations apart: the same object may be registered in several places. */
  private static final class Key {
    private final Metric metric;
    private final String name;
    private final String scope;
    private final Map<String, String> variables;

    Key(Metric metric, String name, String scope, Map<String, String> variables) {
      this.metric = metric;
      this.name = name;
      this.scope = scope;
      this.variables = variables;
    }

    @Override
    public boolean equals(Object o) {
      if (!(o instanceof Key)) {
        return false;
      }
      Key k = (Key) o;
      return metric == k.metric && name.equals(k.name) && scope.equals(k.scope) && variables.equals(k.variables);
    }

    @Override
    public int hashCode() {
      return Objects.hash(System.identityHashCode(metric), name);
    }
  }

  /** What tells series apart for their readers. */
  private static final class Series {
    private final Group.Key group;
    private final byte[] point;

    Series(Entry e) {
      group = e.group().key();
      point = e.site().whole().point();
    }

    @Override
    public boolean equals(Object o) {
      return o instanceof Series && group.equals(((Series) o).group) && Arrays.equals(point, ((Series) o).point);
    }

    @Override
    public int hashCode() {
      return 31 * group.hashCode() + Arrays.hashCode(point);
    }
  }
}
