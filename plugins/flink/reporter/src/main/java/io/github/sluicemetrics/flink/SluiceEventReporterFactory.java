package io.github.sluicemetrics.flink;

import java.util.Properties;
import org.apache.flink.events.reporter.EventReporter;
import org.apache.flink.events.reporter.EventReporterFactory;

/**
 * Makes the reporter of events: what {@code events.reporter.<name>.factory.class} names. Flink 1.20 has no
 * events and never loads this class.
 */
public final class SluiceEventReporterFactory implements EventReporterFactory {
  @Override
  public EventReporter createEventReporter(Properties properties) {
    return new SluiceEventReporter();
  }
}
