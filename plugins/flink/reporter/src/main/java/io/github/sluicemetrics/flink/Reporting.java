package io.github.sluicemetrics.flink;

import io.github.sluicemetrics.flink.control.Control;
import io.github.sluicemetrics.flink.control.Decider;
import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.kafka.Transport;
import io.github.sluicemetrics.flink.options.Options;
import io.github.sluicemetrics.flink.options.Settings;
import io.github.sluicemetrics.flink.record.Layout;
import io.github.sluicemetrics.flink.record.ReportWriter;
import io.github.sluicemetrics.flink.series.Catalogue;
import io.github.sluicemetrics.flink.series.Registry;
import io.github.sluicemetrics.flink.series.Task;
import io.github.sluicemetrics.flink.series.TaskIds;
import io.github.sluicemetrics.flink.ship.SelfMetrics;
import io.github.sluicemetrics.flink.ship.Shipper;
import io.github.sluicemetrics.flink.snapshot.Handover;
import io.github.sluicemetrics.flink.snapshot.Reader;
import io.github.sluicemetrics.flink.snapshot.Snapshot;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiFunction;

/** A reporter at work: its parts, and the thread that ships. */
final class Reporting {
  /** How long closing may take, in milliseconds: the second that Flink is promised, less a margin. */
  private static final long CLOSING = 900;

  private final Clock clock;
  private final Control control;
  private final Registry registry;
  private final Handover handover = new Handover();
  private final Reader reader;
  private final SelfMetrics self;
  private final Shipper shipper;
  private final Thread thread;
  private final ReentrantLock filling = new ReentrantLock();
  private long sequence;

  Reporting(Settings settings, Clock clock, BiFunction<Settings, Tally, Transport> transport, Control control) {
    this.clock = clock;
    this.control = control;
    TaskIds ids = new TaskIds(settings.fixedTaskId(), settings.get(Options.TASK_ID_REGEX), settings.clusterId());
    registry = new Registry(ids);
    reader = new Reader(registry, settings.get(Options.QUANTILES));
    Tally tally = new Tally();
    self = new SelfMetrics(new Task(ids.process(), ""), tally, handover, reader, control::age);
    List<String> topics = List.of(settings.get(Options.NATIVE), settings.get(Options.CUSTOM));
    shipper = new Shipper(handover, transport.apply(settings, tally), tally, topics, control, self, settings.name());
    Layout layout = new Layout(Instance.id(), settings.get(Options.KEY), settings.get(Options.QUANTILES), topics.get(0), topics.get(1));
    shipper.writer(
        new ReportWriter(layout, new Decider(Catalogue.load(), topics.get(0), topics.get(1)), settings.interval().toMillis(), shipper));
    thread = new Thread(this::run, "sluice-reporter");
    thread.setDaemon(true);
  }

  void start() {
    thread.start();
  }

  /** Ships until the end, and then what has ended since the last report. */
  private void run() {
    WarmUp.run();
    shipper.run();
    if (filling.tryLock()) { // and keep it: no report follows
      Snapshot s = handover.toFill();
      reader.readEnds(s, clock.millis(), ++sequence);
      handover.publish(s);
      shipper.step();
    }
  }

  /** Ships the last report, as the thread does; false says that it has to wait. */
  boolean ship() {
    return shipper.step();
  }

  Registry registry() {
    return registry;
  }

  /** Copies the values of all metrics. It does nothing while another thread is at it, or after the end. */
  void report() {
    if (!filling.tryLock()) {
      return;
    }
    try {
      long begin = System.nanoTime();
      fill(handover.toFill());
      self.took(System.nanoTime() - begin);
    } finally {
      filling.unlock();
    }
  }

  private void fill(Snapshot s) {
    boolean filled = false;
    try {
      reader.read(s, clock.millis(), ++sequence);
      filled = true;
    } finally {
      if (filled) {
        handover.publish(s);
      } else {
        handover.giveBack(s); // out of memory now, but not for good
      }
    }
  }

  /** Has the thread send what is left, and stops, within a second. Nothing here connects or writes. */
  void close() {
    long until = System.nanoTime() + CLOSING * 1_000_000;
    control.close();
    handover.close();
    try {
      thread.join(CLOSING / 2);
      if (thread.isAlive()) {
        thread.interrupt();
        thread.join(CLOSING / 4);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    shipper.close(Duration.ofNanos(Math.max(0, until - System.nanoTime())));
  }
}
