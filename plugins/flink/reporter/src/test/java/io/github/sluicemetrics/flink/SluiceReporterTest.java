package io.github.sluicemetrics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.control.Control;
import java.time.Clock;
import java.util.Properties;
import java.util.Queue;
import java.util.ServiceLoader;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;
import org.apache.flink.metrics.reporter.Scheduled;
import org.junit.jupiter.api.Test;

class SluiceReporterTest {
  private final MetricConfig config = new MetricConfig();

  @Test
  void flinkFindsTheFactory() {
    MetricReporterFactory f =
        ServiceLoader.load(MetricReporterFactory.class).stream().map(ServiceLoader.Provider::get)
            .filter(SluiceReporterFactory.class::isInstance).findFirst().orElseThrow();
    assertTrue(f.createMetricReporter(new Properties()) instanceof Scheduled);
  }

  private static void useAll(MetricReporter r) {
    SimpleCounter c = new SimpleCounter();
    r.notifyOfAddedMetric(c, "m", FakeGroup.operator(0, 0));
    ((Scheduled) r).report();
    r.notifyOfRemovedMetric(c, "m", FakeGroup.operator(0, 0));
    ((Scheduled) r).report();
    r.close();
    r.close();
    ((Scheduled) r).report();
    r.notifyOfAddedMetric(c, "m", FakeGroup.operator(0, 0));
  }

  @Test
  void noConfigurationStopsFlink() {
    useAll(new SluiceReporter());
    SluiceReporter without = new SluiceReporter();
    without.open(config);
    useAll(without);
    config.setProperty("bootstrap.servers", "no such host:at all");
    config.setProperty("compression", "snappy");
    SluiceReporter wrong = new SluiceReporter();
    wrong.open(config);
    useAll(wrong);
    SluiceReporter broken =
        new SluiceReporter(Clock.systemUTC(), (s, t) -> {
          throw new NoClassDefFoundError("half a jar");
        }, s -> Control.NONE);
    broken.open(config);
    useAll(broken);
  }

  @Test
  void whatWasReportedLastIsSentAtTheEnd() throws InterruptedException {
    config.setProperty("bootstrap.servers", "b:1");
    FakeTransport[] made = new FakeTransport[1];
    CountDownLatch reported = new CountDownLatch(1);
    SluiceReporter r =
        new SluiceReporter(Clock.systemUTC(), (s, tally) -> made[0] = new FakeTransport(tally) {
          @Override
          public void send(String topic, byte[] key, byte[] value) {
            super.send(topic, key, value);
            reported.countDown();
          }
        }, s -> Control.NONE);
    r.open(config);
    SimpleCounter c = new SimpleCounter();
    r.notifyOfAddedMetric(c, "m", FakeGroup.operator(0, 0));
    r.report();
    assertTrue(reported.await(20, TimeUnit.SECONDS));
    r.notifyOfRemovedMetric(c, "m", FakeGroup.operator(0, 0));
    r.close();
    assertTrue(made[0].closed);
    assertEquals(2, made[0].of("m").size(), "a sample, and the end in a last report");
    assertTrue(made[0].of("m").get(1).contains("\"end\":true"));
  }

  @Test
  void whoeverClosesDoesNotConnectOrSend() {
    config.setProperty("bootstrap.servers", "b:1");
    Queue<Thread> busy = new ConcurrentLinkedQueue<>();
    SluiceReporter r =
        new SluiceReporter(Clock.systemUTC(), (s, tally) -> new FakeTransport(tally) {
          @Override
          public boolean ready(String topic) {
            busy.add(Thread.currentThread());
            return super.ready(topic);
          }
        }, s -> Control.NONE);
    r.open(config);
    r.close();
    assertFalse(busy.isEmpty(), "the last report is tried");
    assertFalse(busy.contains(Thread.currentThread()));
  }
}
