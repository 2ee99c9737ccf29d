package io.github.sluicemetrics.flink.record;

import java.nio.charset.StandardCharsets;

/** What the key of a record is made of. Records with one key stay in order. */
public enum KeyForm {
  /** The task, a zero byte, and the metric: spreads a big job over partitions. */
  TASK_METRIC("task-metric"),
  /** The task: keeps all of a job together. */
  TASK("task"),
  /** The process that reports. */
  PROCESS("process");

  private final String word;

  KeyForm(String word) {
    this.word = word;
  }

  /** Returns the word of the option. */
  public String word() {
    return word;
  }

  /** Returns the key of a record. */
  public byte[] key(String task, String metric, String process) {
    String key = this == TASK_METRIC ? task + '\0' + metric : this == TASK ? task : process;
    return key.getBytes(StandardCharsets.UTF_8);
  }
}
