package io.github.sluicemetrics.flink.options;

import com.google.re2j.Pattern;
import io.github.sluicemetrics.flink.record.KeyForm;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** The options that there are. */
public final class Options {
  public static final Option<String> BOOTSTRAP =
      new Option<>("bootstrap.servers", "", "host:port, several with commas",
          "Brokers to begin with. Without it nothing is reported.", Parse::any);
  public static final Option<String> NATIVE =
      new Option<>("topic.native", "flink.native", "a topic",
          "Topic of the metrics that Flink and its table runtime register.", Parse::topic);
  public static final Option<String> CUSTOM =
      new Option<>("topic.custom", "flink.custom", "a topic",
          "Topic of the metrics that jobs register, of the reporter's own, and of events.", Parse::topic);
  public static final Option<String> TASK_ID =
      new Option<>("task-id", "", "text",
          "torrent_task_id of everything in this process: for clusters of one job.", Parse::any);
  public static final Option<String> TASK_ID_ENV =
      new Option<>("task-id.env", "SLUICE_TASK_ID", "name of an environment variable",
          "Where the id is looked for when `task-id` is not set.", Parse::given);
  public static final Option<Pattern> TASK_ID_REGEX =
      new Option<>("task-id.job-name-regex", "", "an RE2 expression",
          "Finds the id in the name of a job: its first group, or the whole match.", Parse::expression);
  public static final Option<String> CLUSTER_ID =
      new Option<>("cluster-id", "", "text",
          "torrent_task_id of what belongs to no job, where neither option nor environment gives one."
              + " Not set: the name of the host.",
          Parse::any);
  public static final Option<String> NAME =
      new Option<>("name", "", "text",
          "Label `reporter` of the reporter's own metrics; tells several reporters of one process apart."
              + " Not set: the interval.",
          Parse::any);
  public static final Option<KeyForm> KEY =
      new Option<>("key", "task-metric", "task-metric, task, process",
          "Key of the Kafka records, and so what stays in order and in one partition.", Parse::key);
  public static final Option<String> COMPRESSION =
      new Option<>("compression", "zstd", "zstd, lz4, none", "Compression of the Kafka batches.", Parse::compression);
  public static final Option<List<Double>> QUANTILES =
      new Option<>("histogram.quantiles", "0.5,0.75,0.95,0.98,0.99,0.999", "numbers from 0 to 1 with commas, or empty",
          "What is asked of histograms.", Parse::quantiles);
  public static final Option<URI> CONTROL_URL =
      new Option<>("control.url", "", "http or https address",
          "A Sluice instance or a load balancer before several: where the reporter asks what it may skip.", Parse::url);
  public static final Option<String> CONTROL_TOKEN =
      new Option<>("control.token", "", "env://NAME or file:///path",
          "Where the bearer token for `control.url` is read, anew for each request.", Parse::secret);
  public static final Option<String> CONTROL_TOPIC =
      new Option<>("control.topic", "", "a topic",
          "Compacted topic with the control document, instead of `control.url`.", Parse::topicOrNone);
  public static final Option<Duration> CONTROL_WAIT =
      new Option<>("control.wait", "20 s", "a duration up to 1 min",
          "How long a request may wait for a change.", Parse::wait);
  public static final Option<Path> CONTROL_DIR =
      new Option<>("control.dir", "", "a folder",
          "Where the last good document is kept. Not set: the folder for temporary files.", Parse::folder);

  /** All of them, in the order of the documentation. */
  public static final List<Option<?>> ALL =
      List.of(
          BOOTSTRAP, NATIVE, CUSTOM, TASK_ID, TASK_ID_ENV, TASK_ID_REGEX, CLUSTER_ID, NAME, KEY, COMPRESSION,
          QUANTILES, CONTROL_URL, CONTROL_TOKEN, CONTROL_TOPIC, CONTROL_WAIT, CONTROL_DIR);

  /** Options with this in front go to Kafka's producer without it. */
  public static final String PRODUCER = "producer.";

  private Options() {}
}
