package io.github.sluicemetrics.flink.series;

import io.github.sluicemetrics.flink.control.Rules;

/**
 * A task of Sluice in this process: a torrent_task_id and the name of a job. What belongs to no job has
 * an id too and the name "".
 */
public final class Task {
  private final String id;
  private final String job;
  private volatile Rules rules = Rules.NONE;
  private int members;

  public Task(String id, String job) {
    this.id = id;
    this.job = job;
  }

  /** Returns the torrent_task_id. */
  public String id() {
    return id;
  }

  /** Returns the name of the job, "" for a process. */
  public String job() {
    return job;
  }

  /** Returns the rules in force. */
  public Rules rules() {
    return rules;
  }

  /** Puts rules in force. They hold from the next report on. */
  public void obey(Rules now) {
    rules = now;
  }

  /** Notes one more metric, or one less, and returns how many there are. The registry's lock is held. */
  int count(int change) {
    return members += change;
  }

  /** Tasks are equal by id and job, whatever rules they obey. */
  @Override
  public boolean equals(Object o) {
    return o instanceof Task && id.equals(((Task) o).id) && job.equals(((Task) o).job);
  }

  @Override
  public int hashCode() {
    return 31 * id.hashCode() + job.hashCode();
  }

  @Override
  public String toString() {
    return id;
  }
}
