package io.github.sluicemetrics.flink;

import io.github.sluicemetrics.flink.control.Control;
import io.github.sluicemetrics.flink.control.Rules;
import io.github.sluicemetrics.flink.options.Settings;
import io.github.sluicemetrics.flink.series.Task;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Properties;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricGroup;

/** A reporter without threads: what is reported is shipped at once, to a transport that keeps it. */
public final class Rig {
  public static final long START = 1_763_800_000_000L;

  public final Settings settings;
  public final Reporting reporting;
  public FakeTransport transport;
  public Rules rules = Rules.NONE;
  private long now = START;

  public Rig(String... options) {
    Properties p = new Properties();
    p.setProperty("bootstrap.servers", "127.0.0.1:9092");
    p.setProperty("cluster-id", "cluster");
    for (int i = 0; i < options.length; i += 2) {
      p.setProperty(options[i], options[i + 1]);
    }
    settings = Settings.read(p, name -> null, problem -> {
      throw new AssertionError(problem);
    });
    reporting = new Reporting(settings, new Ticking(), (s, tally) -> transport = new FakeTransport(tally), new Given());
  }

  public void add(Metric m, String name, MetricGroup g) {
    reporting.registry().add(m, name, g);
  }

  public void remove(Metric m, String name, MetricGroup g) {
    reporting.registry().remove(m, name, g);
  }

  /** Lets everything obey a document from the next report on. */
  public void obey(String document) {
    rules = Rules.parse(document.getBytes(StandardCharsets.UTF_8));
  }

  /** Lets time go on and reports; only the records of this report are kept. */
  public void report() {
    transport.sent.clear();
    now += settings.interval().toMillis();
    reporting.report();
    reporting.ship();
  }

  /** Returns the time of the last report. */
  public long now() {
    return now;
  }

  private final class Ticking extends Clock {
    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }

    @Override
    public Instant instant() {
      return Instant.ofEpochMilli(now);
    }
  }

  private final class Given implements Control {
    @Override
    public void attend(List<Task> tasks) {
      tasks.forEach(t -> t.obey(rules));
    }

    @Override
    public long age() {
      return -1;
    }

    @Override
    public void close() {}
  }
}
