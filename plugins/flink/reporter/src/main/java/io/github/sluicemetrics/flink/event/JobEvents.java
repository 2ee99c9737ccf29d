package io.github.sluicemetrics.flink.event;

import io.github.sluicemetrics.flink.record.Extra;
import io.github.sluicemetrics.flink.series.Kind;
import io.github.sluicemetrics.flink.series.Names;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The events of one job as metrics: counts since the process began to watch the job, and what was last
 * seen. Counts begin at 0, so that the first failure is an increase.
 */
final class JobEvents {
  static final String SCOPE = "jobmanager.job.event";
  private static final String ORIGIN = "event";

  /** Kinds of checkpoints and of unknown events that are told apart, at most. */
  private static final int MAX_COUNTS = 100;

  private static final String FAILURE_LABEL = "failureLabel.";

  /** Numbers of a checkpoint, and the metrics that they are. */
  private static final Map<String, String> CHECKPOINT_NUMBERS =
      Map.of(
          "checkpointId", "lastCheckpointId",
          "fullSize", "lastCheckpointFullSize",
          "checkpointedSize", "lastCheckpointedSize",
          "metadataSize", "lastCheckpointMetadataSize");

  private final Map<String, String> labels = new LinkedHashMap<>();
  private final Map<Map<String, String>, Long> checkpoints = new LinkedHashMap<>();
  private final Map<Map<String, String>, Long> others = new LinkedHashMap<>();
  private long failures;
  private boolean begun;

  /**
   * @param variables of the job's metric group, with angle brackets
   */
  JobEvents(Map<String, String> variables) {
    for (String name : List.of("host", "job_id", "job_name")) {
      String value = variables.get("<" + name + ">");
      if (value != null) {
        labels.put(name, Names.valid(value));
      }
    }
    checkpoints.put(Map.of("status", "COMPLETED"), 0L);
    checkpoints.put(Map.of("status", "FAILED"), 0L);
  }

  /** Returns the metrics that an event gives. */
  List<Extra> take(Occurrence o) {
    List<Extra> out = new ArrayList<>();
    if (!begun) {
      begun = true;
      out.add(counter("failures").point(Map.of(), 0));
      out.add(counts("checkpoints", checkpoints));
    }
    switch (o.name()) {
      case "JobStatusChangeEvent":
        out.add(gauge("state").point(Map.of(), o.attribute("newJobStatus")));
        break;
      case "AllSubtasksStatusChangeEvent":
        out.add(gauge("subtasks").point(Map.of(), o.attribute("status")));
        break;
      case "JobFailureEvent":
        failure(o, out);
        break;
      case "CheckpointEvent":
        checkpoint(o, out);
        break;
      default:
        count(others, Map.of("event", Names.valid(o.name()), "severity", Names.valid(o.severity())));
        out.add(counts("others", others));
    }
    return out;
  }

  private void failure(Occurrence o, List<Extra> out) {
    out.add(counter("failures").point(Map.of(), ++failures));
    Map<String, String> about = new LinkedHashMap<>();
    about.put("can_restart", o.attribute("canRestart"));
    about.put("global", o.attribute("isGlobalFailure"));
    o.attributes().forEach((key, value) -> {
      if (key.startsWith(FAILURE_LABEL)) { // of the cluster's failure enrichers
        about.put("failure_" + key.substring(FAILURE_LABEL.length()), value);
      }
    });
    out.add(gauge("lastFailureTimestamp").point(about, o.timestamp()));
  }

  private void checkpoint(Occurrence o, List<Extra> out) {
    count(checkpoints, Map.of("status", o.attribute("checkpointStatus")));
    out.add(counts("checkpoints", checkpoints));
    Map<String, String> about = new LinkedHashMap<>();
    about.put("status", o.attribute("checkpointStatus"));
    about.put("type", o.attribute("checkpointType"));
    about.put("unaligned", o.attribute("isUnaligned"));
    CHECKPOINT_NUMBERS.forEach((attribute, metric) -> {
      try {
        out.add(gauge(metric).point(about, Long.parseLong(o.attribute(attribute))));
      } catch (NumberFormatException e) {
        // this Flink does not tell
      }
    });
  }

  private static void count(Map<Map<String, String>, Long> counts, Map<String, String> what) {
    if (counts.containsKey(what) || counts.size() < MAX_COUNTS) {
      counts.merge(what, 1L, Long::sum);
    }
  }

  private Extra counts(String name, Map<Map<String, String>, Long> counts) {
    Extra e = counter(name);
    counts.forEach(e::point);
    return e;
  }

  private Extra counter(String name) {
    return new Extra(ORIGIN, SCOPE, name, Kind.COUNTER, labels);
  }

  private Extra gauge(String name) {
    return new Extra(ORIGIN, SCOPE, name, Kind.GAUGE, labels);
  }
}
