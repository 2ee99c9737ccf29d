package io.github.sluicemetrics.flink.series;

import org.apache.flink.metrics.Metric;

/**
 * A registered metric with everything prepared that its points need. The state that only the shipping
 * thread uses is kept here too, so that it goes when the metric goes.
 */
public final class Entry {
  private final Metric metric;
  private final Site site;
  private final Group group;
  private int position;
  private Plan plan;
  private volatile boolean open;
  private Held held;

  Entry(Metric metric, Site site, Group group) {
    this.metric = metric;
    this.site = site;
    this.group = group;
  }

  /** Returns the metric to read. */
  public Metric metric() {
    return metric;
  }

  /** Returns where it is registered. */
  public Site site() {
    return site;
  }

  /** Returns the metrics it shares records with. */
  public Group group() {
    return group;
  }

  /**
   * Returns what was decided for it, null for nothing yet or for nothing under the rules in force. The
   * shipping thread writes it and Flink's thread reads it, perhaps a report late: then the metric is
   * read once more than needed, and not sent.
   */
  public Plan plan() {
    Plan p = plan;
    return p == null || p.rules() != group.task().rules() ? null : p;
  }

  /** Returns what was decided last, whether the rules still hold or not. */
  public Plan lastPlan() {
    return plan;
  }

  /** Notes what was decided. */
  public void plan(Plan p) {
    plan = p;
  }

  /** Reports whether a sample went out and no end after it. For the shipping thread. */
  public boolean open() {
    return open;
  }

  /** Notes whether readers have a series that goes on. For the shipping thread. */
  public void open(boolean now) {
    open = now;
  }

  /** Returns the sample that is held back, or null. For the shipping thread. */
  public Held held() {
    return held;
  }

  /** Holds a sample back, or none. For the shipping thread. */
  public void hold(Held sample) {
    held = sample;
  }

  int position() {
    return position;
  }

  void position(int p) {
    position = p;
  }
}
