package io.github.sluicemetrics.flink;

import io.github.sluicemetrics.flink.control.Control;
import io.github.sluicemetrics.flink.control.Controls;
import io.github.sluicemetrics.flink.kafka.KafkaTransport;
import io.github.sluicemetrics.flink.kafka.ProducerOptions;
import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.kafka.Transport;
import io.github.sluicemetrics.flink.options.Options;
import io.github.sluicemetrics.flink.options.Settings;
import java.time.Clock;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.Scheduled;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reports Flink's metrics to Kafka as Sluice reads them. Flink's threads register metrics and have their
 * values copied; everything else, what can be slow and what can fail, is done by threads of the
 * reporter. Nothing here ever throws because of options, of Kafka, or of a metric.
 */
public final class SluiceReporter implements MetricReporter, Scheduled {
  private static final Logger LOG = LoggerFactory.getLogger(SluiceReporter.class);

  private final Clock clock;
  private final BiFunction<Settings, Tally, Transport> transport;
  private final Function<Settings, Control> control;
  private volatile Reporting reporting;

  /** Makes a reporter that sends to Kafka. */
  public SluiceReporter() {
    this(Clock.systemUTC(), (s, tally) -> new KafkaTransport(ProducerOptions.maker(s), tally, System::nanoTime), Controls::of);
  }

  SluiceReporter(Clock clock, BiFunction<Settings, Tally, Transport> transport, Function<Settings, Control> control) {
    this.clock = clock;
    this.control = control;
    this.transport = transport;
  }

  @Override
  public void open(MetricConfig config) {
    try {
      Settings settings = Settings.read(config, System::getenv, LOG::error);
      if (!settings.get(Options.BOOTSTRAP).isEmpty()) {
        reporting = new Reporting(settings, clock, transport, control.apply(settings));
        reporting.start();
        LOG.info("reporting to Kafka at {} every {} ms", settings.get(Options.BOOTSTRAP), settings.interval().toMillis());
      }
    } catch (RuntimeException | LinkageError e) {
      LOG.error("the reporter cannot start; no metrics are sent", e);
    }
  }

  @Override
  public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {
    Reporting r = reporting;
    if (r != null) {
      r.registry().add(metric, name, group);
    }
  }

  @Override
  public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {
    Reporting r = reporting;
    if (r != null) {
      r.registry().remove(metric, name, group);
    }
  }

  @Override
  public void report() {
    Reporting r = reporting;
    if (r != null) {
      r.report();
    }
  }

  @Override
  public void close() {
    Reporting r = reporting;
    if (r != null) {
      reporting = null;
      r.close();
    }
  }
}
