package io.github.sluicemetrics.flink;

import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.kafka.Transport;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;

/** Keeps what is sent. */
public class FakeTransport implements Transport {
  public final List<Sent> sent = new CopyOnWriteArrayList<>();
  public volatile boolean up = true;
  public volatile boolean closed;
  private final Tally tally;

  public FakeTransport(Tally tally) {
    this.tally = tally;
  }

  @Override
  public boolean ready(String topic) {
    return up;
  }

  @Override
  public void send(String topic, byte[] key, byte[] value) {
    sent.add(new Sent(topic, new String(key, StandardCharsets.UTF_8), new String(value, StandardCharsets.UTF_8)));
    tally.sent(value.length);
  }

  @Override
  public void close(Duration most) {
    closed = true;
  }

  /** Returns the values of the records of a metric. */
  public List<String> of(String metric) {
    return sent.stream().map(s -> s.value).filter(v -> v.contains("\"metric\":\"" + metric + "\"")).collect(Collectors.toList());
  }

  /** A record. */
  public static final class Sent {
    public final String topic;
    public final String key;
    public final String value;

    Sent(String topic, String key, String value) {
      this.topic = topic;
      this.key = key;
      this.value = value;
    }
  }
}
