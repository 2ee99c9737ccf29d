package io.github.sluicemetrics.flink.control;

import java.util.Set;

/** What rules make of a series. Immutable but for its step. */
public final class Verdict {
  static final Verdict SEND = new Verdict(false, Step.ALWAYS, "", Set.of());
  static final Verdict SKIP = new Verdict(true, Step.ALWAYS, "", Set.of());

  private final boolean skip;
  private final Step step;
  private final String topic;
  private final Set<String> dropped;

  Verdict(boolean skip, Step step, String topic, Set<String> dropped) {
    this.skip = skip;
    this.step = step;
    this.topic = topic;
    this.dropped = dropped;
  }

  /** Reports whether nothing of the series is sent. */
  public boolean skip() {
    return skip;
  }

  /** Returns what is left to decide in each report; it may keep state of this one series. */
  public Step step() {
    return step;
  }

  /** Returns the topic, "" for the usual one. */
  public String topic() {
    return topic;
  }

  /** Returns the names of labels that are left out. */
  public Set<String> dropped() {
    return dropped;
  }
}
