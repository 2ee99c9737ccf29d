package io.github.sluicemetrics.flink;

import io.github.sluicemetrics.flink.event.EventShipper;
import io.github.sluicemetrics.flink.event.Occurrence;
import io.github.sluicemetrics.flink.kafka.KafkaTransport;
import io.github.sluicemetrics.flink.kafka.ProducerOptions;
import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.kafka.Transport;
import io.github.sluicemetrics.flink.options.Options;
import io.github.sluicemetrics.flink.options.Settings;
import io.github.sluicemetrics.flink.record.Layout;
import io.github.sluicemetrics.flink.record.Planner;
import io.github.sluicemetrics.flink.record.ReportWriter;
import io.github.sluicemetrics.flink.series.TaskIds;
import java.time.Clock;
import java.time.Duration;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.apache.flink.events.Event;
import org.apache.flink.events.reporter.EventReporter;
import org.apache.flink.metrics.MetricConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sends job states, failures and checkpoints to Kafka as they happen. For Flink 2.x. */
public final class SluiceEventReporter implements EventReporter {
  private static final Logger LOG = LoggerFactory.getLogger(SluiceEventReporter.class);
  private static final long CLOSING = 900;

  /** An event's own time is taken when it is as close to now; a failed checkpoint has none. */
  private static final long PLAUSIBLE = Duration.ofHours(1).toMillis();

  private static final Planner NO_METRICS =
      e -> {
        throw new IllegalStateException("events are no registered metrics");
      };

  private final Clock clock;
  private final BiFunction<Settings, Tally, Transport> transport;
  private volatile EventShipper shipper;
  private Thread thread;

  /** Makes a reporter that sends to Kafka. */
  public SluiceEventReporter() {
    this(Clock.systemUTC(), (s, tally) -> new KafkaTransport(ProducerOptions.forEvents(s), tally, System::nanoTime));
  }

  /** Makes a reporter that sends by something else. */
  public static SluiceEventReporter sendingBy(Function<Tally, Transport> transport) {
    return new SluiceEventReporter(Clock.systemUTC(), (s, tally) -> transport.apply(tally));
  }

  private SluiceEventReporter(Clock clock, BiFunction<Settings, Tally, Transport> transport) {
    this.clock = clock;
    this.transport = transport;
  }

  @Override
  public void open(MetricConfig config) {
    try {
      Settings s = Settings.read(config, System::getenv, LOG::error);
      if (s.get(Options.BOOTSTRAP).isEmpty()) {
        return;
      }
      TaskIds ids = new TaskIds(s.fixedTaskId(), s.get(Options.TASK_ID_REGEX), s.clusterId());
      Tally tally = new Tally();
      String topic = s.get(Options.CUSTOM);
      EventShipper sh = new EventShipper(ids, transport.apply(s, tally), tally, topic);
      Layout layout = new Layout(Instance.id(), s.get(Options.KEY), s.get(Options.QUANTILES), topic, topic);
      sh.writer(new ReportWriter(layout, NO_METRICS, s.interval().toMillis(), sh));
      thread = new Thread(sh::run, "sluice-events");
      thread.setDaemon(true);
      thread.start();
      shipper = sh;
      LOG.info("sending events to Kafka at {}", s.get(Options.BOOTSTRAP));
    } catch (RuntimeException | LinkageError e) {
      LOG.error("the event reporter cannot start; no events are sent", e);
    }
  }

  @Override
  public void notifyOfAddedEvent(Event e) {
    EventShipper s = shipper;
    if (s != null) {
      long now = clock.millis();
      long at = Math.abs(now - e.getObservedTsMillis()) < PLAUSIBLE ? e.getObservedTsMillis() : now;
      s.offer(new Occurrence(e.getName(), e.getSeverity(), at, e.getAttributes()));
    }
  }

  @Override
  public void close() {
    EventShipper s = shipper;
    if (s == null) {
      return;
    }
    shipper = null;
    long until = System.nanoTime() + CLOSING * 1_000_000;
    s.end();
    try {
      thread.join(CLOSING / 2);
      if (thread.isAlive()) {
        thread.interrupt();
        thread.join(CLOSING / 4);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    s.close(Duration.ofNanos(Math.max(0, until - System.nanoTime())));
  }
}
