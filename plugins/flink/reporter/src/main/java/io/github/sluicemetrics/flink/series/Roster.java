package io.github.sluicemetrics.flink.series;

/** A list of registered metrics at one moment, those of a group side by side. Neither array is changed. */
public final class Roster {
  /** A list of nothing. */
  public static final Roster EMPTY = new Roster(new Entry[0], new Task[0]);

  private final Entry[] entries;
  private final Task[] tasks;

  Roster(Entry[] entries, Task[] tasks) {
    this.entries = entries;
    this.tasks = tasks;
  }

  /** Returns the number of metrics. */
  public int size() {
    return entries.length;
  }

  /** Returns a metric. */
  public Entry entry(int i) {
    return entries[i];
  }

  /** Returns the position behind the last metric of the group that the metric at {@code from} is in. */
  public int endOfGroup(int from) {
    Group g = entries[from].group();
    int i = from + 1;
    while (i < entries.length && entries[i].group() == g) {
      i++;
    }
    return i;
  }

  /** Returns the tasks that have metrics. The caller must not change the array. */
  public Task[] tasks() {
    return tasks;
  }
}
