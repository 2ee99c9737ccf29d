package io.github.sluicemetrics.flink.series;

import io.github.sluicemetrics.flink.control.Rules;
import io.github.sluicemetrics.flink.control.Step;
import java.util.Arrays;

/** What becomes of a metric under the rules of one document. Immutable. */
public final class Plan {
  private final Rules rules;
  private final boolean skip;
  private final Step step;
  private final String topic;
  private final String origin;
  private final Site.Rendering rendering;

  public Plan(Rules rules, boolean skip, Step step, String topic, String origin, Site.Rendering rendering) {
    this.rules = rules;
    this.skip = skip;
    this.step = step;
    this.topic = topic;
    this.origin = origin;
    this.rendering = rendering;
  }

  /** Returns the rules it was decided by. */
  public Rules rules() {
    return rules;
  }

  /** Reports whether the metric need not be read: nothing of it is sent. */
  public boolean skip() {
    return skip;
  }

  /** Returns what is left to decide in each report. */
  public Step step() {
    return step;
  }

  /** Returns the topic. */
  public String topic() {
    return topic;
  }

  /** Returns who registered the metric, "" where that is not sure. */
  public String origin() {
    return origin;
  }

  /** Returns the labels as they are sent. */
  public Site.Rendering rendering() {
    return rendering;
  }

  /** Reports whether points of both may share a record. */
  public boolean joins(Plan other) {
    return this == other
        || topic.equals(other.topic)
            && (rendering == other.rendering || Arrays.equals(rendering.record(), other.rendering.record()));
  }
}
