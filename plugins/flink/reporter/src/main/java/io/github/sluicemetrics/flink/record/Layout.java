package io.github.sluicemetrics.flink.record;

import java.util.List;

/** What all records of a reporter have in common. Immutable. */
public final class Layout {
  private final String rid;
  private final KeyForm keys;
  private final List<Double> quantiles;
  private final String nativeTopic;
  private final String customTopic;

  /**
   * @param rid the reporter instance, in ASCII
   * @param quantiles of histograms
   * @param nativeTopic where the records go that close a report
   * @param customTopic where the records go that are no metrics of Flink's
   */
  public Layout(String rid, KeyForm keys, List<Double> quantiles, String nativeTopic, String customTopic) {
    this.rid = rid;
    this.keys = keys;
    this.quantiles = List.copyOf(quantiles);
    this.nativeTopic = nativeTopic;
    this.customTopic = customTopic;
  }

  String rid() {
    return rid;
  }

  List<Double> quantiles() {
    return quantiles;
  }

  String nativeTopic() {
    return nativeTopic;
  }

  String customTopic() {
    return customTopic;
  }

  byte[] key(String task, String metric, String process) {
    return keys.key(task, metric, process);
  }
}
