package io.github.sluicemetrics.flink.kafka;

import io.github.sluicemetrics.flink.pace.Backoff;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.CommonClientConfigs;

/**
 * How clients look for brokers that are away: about once a second, so that it costs next to nothing and
 * ends within two seconds of their return.
 */
public final class Connecting {
  private Connecting() {}

  /** Returns the pauses between two looks whether Kafka can be reached. */
  public static Backoff looking() {
    return new Backoff(Duration.ofMillis(100), Duration.ofMillis(500), System::nanoTime);
  }

  static void defaults(Map<String, Object> o) {
    o.put(CommonClientConfigs.RECONNECT_BACKOFF_MS_CONFIG, 500L);
    o.put(CommonClientConfigs.RECONNECT_BACKOFF_MAX_MS_CONFIG, 1_000L);
    // An address that does not even refuse is given up and tried again: its host may be a new one.
    o.put(CommonClientConfigs.SOCKET_CONNECTION_SETUP_TIMEOUT_MS_CONFIG, 2_000L);
    o.put(CommonClientConfigs.SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS_CONFIG, 2_000L);
    o.put(CommonClientConfigs.METADATA_RECOVERY_STRATEGY_CONFIG, "rebootstrap"); // brokers may come back at other addresses
    o.put(CommonClientConfigs.ENABLE_METRICS_PUSH_CONFIG, false);
    o.put("auto.include.jmx.reporter", false); // one MBean per topic and broker, seen by nobody
  }
}
