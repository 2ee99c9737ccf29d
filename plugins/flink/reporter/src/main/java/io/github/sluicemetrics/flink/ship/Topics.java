package io.github.sluicemetrics.flink.ship;

import io.github.sluicemetrics.flink.kafka.Transport;
import io.github.sluicemetrics.flink.snapshot.Handover;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;

/**
 * Which topics Kafka's producer knows. It refuses the first records for a topic while it asks about it;
 * so the shipping thread waits a little before it sends the first.
 */
final class Topics {
  private static final int LOOKS = 20;
  private static final long BETWEEN = 100;
  private static final long AGAIN = Duration.ofSeconds(30).toNanos();

  private final Transport transport;
  private final Handover handover;
  private final LongSupplier nanos;
  private final Set<String> known = new HashSet<>();
  private final Map<String, Long> given = new HashMap<>();

  Topics(Transport transport, Handover handover, LongSupplier nanos) {
    this.transport = transport;
    this.handover = handover;
    this.nanos = nanos;
  }

  /** Begins a report: the producer forgets topics, those not used for minutes and all when it loses all brokers. */
  void begin() {
    known.clear();
  }

  /** Waits for a topic that is new, at most two seconds, and for one that was waited for in vain not soon again. */
  void settle(String topic) throws InterruptedException {
    if (known.contains(topic)) {
      return;
    }
    Long since = given.get(topic);
    int looks = since != null && nanos.getAsLong() - since < AGAIN ? 1 : LOOKS;
    for (int i = 0; i < looks; i++) {
      if (transport.ready(topic)) {
        known.add(topic);
        given.remove(topic);
        return;
      }
      if (i + 1 < looks) {
        handover.pause(BETWEEN);
      }
    }
    if (looks > 1) {
      given.put(topic, nanos.getAsLong());
    }
  }
}
