package io.github.sluicemetrics.flink.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.FakeTransport;
import io.github.sluicemetrics.flink.SluiceEventReporter;
import io.github.sluicemetrics.flink.SluiceEventReporterFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.ServiceLoader;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.flink.events.EventBuilder;
import org.apache.flink.events.Events;
import org.apache.flink.events.reporter.EventReporter;
import org.apache.flink.events.reporter.EventReporterFactory;
import org.apache.flink.metrics.MetricConfig;
import org.junit.jupiter.api.Test;

/** For Flink 2.x: the class does not load where there are no events. */
class EventReporterTest {
  private static final Map<String, String> JOB = Map.of("<host>", "jm", "<job_id>", "7f", "<job_name>", "orders");

  private final BlockingQueue<String> sent = new LinkedBlockingQueue<>();
  private FakeTransport transport;

  private EventReporter open(String... options) {
    SluiceEventReporter r =
        SluiceEventReporter.sendingBy(tally -> transport = new FakeTransport(tally) {
          @Override
          public void send(String topic, byte[] key, byte[] value) {
            super.send(topic, key, value);
            EventReporterTest.this.sent.add(new String(value, StandardCharsets.UTF_8));
          }
        });
    MetricConfig c = new MetricConfig();
    c.setProperty("bootstrap.servers", "b:1");
    for (int i = 0; i < options.length; i += 2) {
      c.setProperty(options[i], options[i + 1]);
    }
    r.open(c);
    return r;
  }

  private List<String> next(EventReporter r, EventBuilder e) throws InterruptedException {
    r.notifyOfAddedEvent(e.build(JOB));
    List<String> out = new ArrayList<>();
    do {
      String s = sent.poll(20, TimeUnit.SECONDS);
      assertTrue(s != null, "nothing was sent");
      out.add(s);
    } while (!out.get(out.size() - 1).contains("\"_report\""));
    return out;
  }

  private static String of(List<String> records, String metric) {
    List<String> hits = records.stream().filter(r -> r.contains("\"metric\":\"" + metric + "\"")).collect(Collectors.toList());
    assertEquals(1, hits.size(), metric + " in " + records);
    return hits.get(0);
  }

  @Test
  void flinkFindsTheFactory() {
    EventReporterFactory f = ServiceLoader.load(EventReporterFactory.class).iterator().next();
    assertEquals(SluiceEventReporterFactory.class, f.getClass());
    assertEquals(SluiceEventReporter.class, f.createEventReporter(new Properties()).getClass());
  }

  @Test
  void eventsBecomeRecordsAtOnce() throws InterruptedException {
    EventReporter r = open();
    long now = System.currentTimeMillis();
    List<String> state =
        next(r, Events.JobStatusChangeEvent.builder(getClass()).setObservedTsMillis(now).setAttribute("newJobStatus", "RUNNING"));
    String record = of(state, "state");
    assertTrue(record.startsWith("{\"v\":1,\"torrent_task_id\":\"7f\",\"report_timestamp\":" + now + ",\"rid\":\""), record);
    assertTrue(
        record.endsWith(
            "\"seq\":1,\"cv\":0,\"origin\":\"event\",\"scope\":\"jobmanager.job.event\",\"metric\":\"state\",\"type\":\"gauge\","
                + "\"labels\":{\"host\":\"jm\",\"job_id\":\"7f\",\"job_name\":\"orders\"},\"points\":[{\"t\":\"RUNNING\"}]}"),
        record);
    assertTrue(of(state, "failures").endsWith("[{\"c\":0}]}"), "so that the first failure is an increase");
    assertTrue(of(state, "_report").endsWith("\"n\":3}"));

    EventBuilder failure = Events.JobFailureEvent.builder(getClass()).setObservedTsMillis(now + 1);
    failure.setAttribute("canRestart", "true").setAttribute("isGlobalFailure", "false").setAttribute("failureLabel.type", "USER");
    List<String> failed = next(r, failure);
    assertTrue(of(failed, "failures").endsWith("[{\"c\":1}]}"));
    assertTrue(
        of(failed, "lastFailureTimestamp").endsWith(
            "[{\"l\":{\"can_restart\":\"true\",\"global\":\"false\",\"failure_type\":\"USER\"},\"v\":" + (now + 1) + "}]}"));

    EventBuilder checkpoint = Events.CheckpointEvent.builder(getClass()).setObservedTsMillis(-1);
    checkpoint.setAttribute("checkpointStatus", "FAILED").setAttribute("checkpointId", 4L).setAttribute("fullSize", 1000L);
    List<String> done = next(r, checkpoint);
    assertTrue(of(done, "checkpoints").contains("{\"l\":{\"status\":\"FAILED\"},\"c\":1}"));
    assertTrue(of(done, "checkpoints").contains("{\"l\":{\"status\":\"COMPLETED\"},\"c\":0}"));
    assertTrue(of(done, "lastCheckpointFullSize").endsWith("[{\"l\":{\"status\":\"FAILED\"},\"v\":1000}]}"));
    assertTrue(of(done, "checkpoints").contains("\"report_timestamp\":" + Long.toString(now).substring(0, 8)), "no time of its own");

    List<String> tasks = next(r, Events.AllSubtasksStatusChangeEvent.builder(getClass()).setAttribute("status", "ALL_RUNNING_OR_FINISHED"));
    assertTrue(of(tasks, "subtasks").endsWith("[{\"t\":\"ALL_RUNNING_OR_FINISHED\"}]}"));
    List<String> other = next(r, new EventBuilder("org.x", "Something").setSeverity("WARN"));
    assertTrue(of(other, "others").contains("\"event\":\"Something\""));
    transport.sent.forEach(s -> assertEquals("flink.custom", s.topic));
    r.close();
    assertTrue(transport.closed);
  }

  @Test
  void tasksAreThoseOfTheMetrics() throws InterruptedException {
    EventReporter r = open("task-id.job-name-regex", "^(or)");
    assertTrue(next(r, Events.JobStatusChangeEvent.builder(getClass())).get(0).contains("\"torrent_task_id\":\"or\""));
    r.close();
  }

  @Test
  void noConfigurationStopsFlink() {
    SluiceEventReporter r = new SluiceEventReporter();
    r.open(new MetricConfig());
    r.notifyOfAddedEvent(new EventBuilder("c", "n").build());
    r.close();
    r.close();
  }
}
