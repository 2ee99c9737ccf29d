package io.github.sluicemetrics.flink.control;

/** What is left to decide about a metric in each report. */
public interface Step {
  /** Lets every sample pass. */
  Step ALWAYS = (at, period) -> true;

  /**
   * Reports whether a sample passes.
   *
   * @param at time of the report, Unix milliseconds
   * @param period between two reports, in milliseconds
   */
  boolean passes(long at, long period);

  /** Reports whether a sample that does not pass must be sent after all when it was the last one. */
  default boolean holds() {
    return false;
  }
}
