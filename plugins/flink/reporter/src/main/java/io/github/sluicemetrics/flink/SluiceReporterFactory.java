package io.github.sluicemetrics.flink;

import java.util.Properties;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Makes the reporter: what {@code metrics.reporter.<name>.factory.class} names. */
public final class SluiceReporterFactory implements MetricReporterFactory {
  @Override
  public MetricReporter createMetricReporter(Properties properties) {
    return new SluiceReporter();
  }
}
