package io.github.sluicemetrics.flink;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.metrics.CharacterFilter;
import org.apache.flink.metrics.LogicalScopeProvider;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;

/** A group of a reporter's notification: a new one each time, as Flink does it. */
public final class FakeGroup extends UnregisteredMetricsGroup implements LogicalScopeProvider {
  private final String scope;
  private final Map<String, String> variables = new LinkedHashMap<>();

  public FakeGroup(String scope, String... namesAndValues) {
    this.scope = scope;
    for (int i = 0; i < namesAndValues.length; i += 2) {
      variables.put("<" + namesAndValues[i] + ">", namesAndValues[i + 1]);
    }
  }

  /** Returns the group of an operator, with all variables that Flink has. */
  public static FakeGroup operator(int subtask, int attempt) {
    return new FakeGroup(
        "taskmanager.job.task.operator",
        "host", "10.1.2.3", "tm_id", "tm-1", "job_id", "7f", "job_name", "orders", "task_id", "cb", "task_name", "Map",
        "task_attempt_id", "at-" + subtask + "-" + attempt, "task_attempt_num", "" + attempt, "subtask_index", "" + subtask,
        "operator_id", "op", "operator_name", "Calc[2]");
  }

  @Override
  public Map<String, String> getAllVariables() {
    return variables;
  }

  @Override
  public String getLogicalScope(CharacterFilter filter) {
    return getLogicalScope(filter, '.');
  }

  @Override
  public String getLogicalScope(CharacterFilter filter, char delimiter) {
    return scope.replace('.', delimiter);
  }

  @Override
  public MetricGroup getWrappedMetricGroup() {
    return this;
  }
}
