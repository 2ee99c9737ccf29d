package io.github.sluicemetrics.flink.series;

import com.google.re2j.Matcher;
import com.google.re2j.Pattern;
import java.util.Map;

/**
 * Finds the torrent_task_id of a metric: a fixed one, from option or environment; else what an
 * expression finds in the name of the job; else the id of the job. A metric of no job, in a process
 * that may serve several, belongs to the cluster.
 */
public final class TaskIds {
  private final String fixed;
  private final Pattern inJobName;
  private final String cluster;

  /**
   * @param fixed the id of everything in this process, "" for none
   * @param inJobName its first group is the id, or without groups the whole match; null for none
   * @param cluster the id of what belongs to no job
   */
  public TaskIds(String fixed, Pattern inJobName, String cluster) {
    this.fixed = fixed;
    this.inJobName = inJobName;
    this.cluster = cluster;
  }

  /** Returns the id for the variables of a metric, never empty. */
  public String of(Map<String, String> variables) {
    String id = variables.get("<job_id>");
    return of(id == null ? "" : id, job(variables));
  }

  /** Returns the id for a job by its id and name, or with both empty for the process. */
  public String of(String jobId, String jobName) {
    if (!fixed.isEmpty()) {
      return fixed;
    }
    if (inJobName != null && !jobName.isEmpty()) {
      Matcher m = inJobName.matcher(jobName);
      if (m.find()) {
        String found = m.groupCount() > 0 ? m.group(1) : m.group();
        if (found != null && !found.isEmpty()) {
          return Names.valid(found);
        }
      }
    }
    return jobId.isEmpty() ? cluster : Names.valid(jobId);
  }

  /** Returns the name of the job of a metric, or "". */
  public String job(Map<String, String> variables) {
    String name = variables.get("<job_name>");
    return name == null ? "" : Names.valid(name);
  }

  /** Returns the id of what belongs to no job. */
  public String process() {
    return fixed.isEmpty() ? cluster : fixed;
  }
}
