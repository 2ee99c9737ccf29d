package io.github.sluicemetrics.flink.record;

import io.github.sluicemetrics.flink.series.Entry;
import io.github.sluicemetrics.flink.series.Plan;

/** Decides what becomes of a metric under the rules that its task obeys now. */
public interface Planner {
  /** Returns the plan for a metric. Called once for each metric and each change of the rules. */
  Plan plan(Entry e);
}
