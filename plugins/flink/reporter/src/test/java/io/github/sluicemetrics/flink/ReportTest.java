package io.github.sluicemetrics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.json.JsonReader;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.SimpleCounter;
import org.junit.jupiter.api.Test;

/** What a report is, from the registration of metrics to the records. */
class ReportTest {
  private static final String HEAD =
      "\\{\"v\":1,\"torrent_task_id\":\"7f\",\"report_timestamp\":1763800010000,\"rid\":\"[0-9a-f]{12}\",\"seq\":1,\"cv\":0,";
  private static final String LABELS =
      "\"labels\":{\"host\":\"10.1.2.3\",\"tm_id\":\"tm-1\",\"job_id\":\"7f\",\"job_name\":\"orders\",\"task_id\":\"cb\","
          + "\"task_name\":\"Map\",\"operator_id\":\"op\",\"operator_name\":\"Calc[2]\"}";

  private final Rig rig = new Rig();

  @SuppressWarnings("unchecked")
  static List<Map<String, Object>> points(String record) {
    Map<String, Object> r = (Map<String, Object>) JsonReader.read(record.getBytes(StandardCharsets.UTF_8));
    return (List<Map<String, Object>>) r.get("points");
  }

  private void gauge(String name, Object value) {
    Gauge<Object> g = () -> value;
    rig.add(g, name, FakeGroup.operator(0, 0));
  }

  private String value(String name) {
    List<String> records = rig.transport.of(name);
    assertEquals(1, records.size(), name);
    String r = records.get(0);
    return r.substring(r.indexOf("\"points\":["));
  }

  @Test
  void pointsOfAGroupShareARecordAndTheReportIsClosed() {
    for (int i = 0; i < 3; i++) {
      SimpleCounter c = new SimpleCounter();
      c.inc(Long.MAX_VALUE - i);
      rig.add(c, "orders", FakeGroup.operator(i, 1));
    }
    rig.report();
    String r = rig.transport.of("orders").get(0);
    String rest = r.replaceFirst("^" + HEAD, "");
    assertFalse(rest.equals(r), r);
    assertEquals(
        "\"scope\":\"taskmanager.job.task.operator\",\"metric\":\"orders\",\"type\":\"counter\"," + LABELS + ",\"points\":["
            + "{\"s\":0,\"a\":1,\"l\":{\"task_attempt_id\":\"at-0-1\"},\"c\":9223372036854775807},"
            + "{\"s\":1,\"a\":1,\"l\":{\"task_attempt_id\":\"at-1-1\"},\"c\":9223372036854775806},"
            + "{\"s\":2,\"a\":1,\"l\":{\"task_attempt_id\":\"at-2-1\"},\"c\":9223372036854775805}]}",
        rest);
    assertEquals(1, rig.transport.of("orders").size());
    assertEquals("7f\0orders", rig.transport.sent.get(0).key);
    assertEquals("flink.custom", rig.transport.sent.get(0).topic, "the code of a job has registered it");

    List<String> closing = rig.transport.of("_report");
    assertEquals(2, closing.size(), "one for the job and one for the process");
    String rest2 = closing.get(0).replaceFirst("^" + HEAD, "");
    assertEquals("\"scope\":\"\",\"metric\":\"_report\",\"type\":\"gauge\",\"n\":1}", rest2);
    long process = rig.transport.sent.stream().filter(s -> s.value.contains("\"torrent_task_id\":\"cluster\"")).count() - 1;
    assertTrue(closing.get(1).endsWith("\"n\":" + process + "}"), closing.get(1));
  }

  @Test
  void nativeMetricsSayWhereTheyComeFrom() {
    rig.add(new SimpleCounter(), "numRecordsIn", FakeGroup.operator(0, 0));
    rig.add(new SimpleCounter(), "Count", new FakeGroup("taskmanager.Status.JVM.GarbageCollector.G1", "host", "h", "tm_id", "t"));
    rig.report();
    assertTrue(rig.transport.of("numRecordsIn").get(0).contains("\"cv\":0,\"origin\":\"native\",\"scope\":"));
    assertFalse(rig.transport.of("Count").get(0).contains("origin"), "found by a pattern, so not sure");
    rig.transport.sent.stream()
        .filter(s -> s.value.contains("\"numRecordsIn\"") || s.value.contains("\"Count\""))
        .forEach(s -> assertEquals("flink.native", s.topic));
  }

  @Test
  void meterAndHistogramSendAllTheyHave() {
    rig.add(new Values.FixedMeter(8744577, 689.48), "rate", FakeGroup.operator(0, 0));
    rig.add(new Values.FixedHistogram(77, 1, 2, 3, Long.MAX_VALUE), "latency", FakeGroup.operator(0, 0));
    rig.report();
    assertTrue(value("rate").endsWith("\"c\":8744577,\"r\":689.48}]}"), value("rate"));
    assertTrue(
        value("latency").endsWith(
            "\"c\":77,\"n\":4,\"min\":1,\"max\":9223372036854775807,\"mean\":2.5,\"sd\":0.5,"
                + "\"q\":{\"0.5\":50,\"0.75\":75,\"0.95\":95,\"0.98\":98,\"0.99\":99,\"0.999\":99.9}}]}"),
        value("latency"));
  }

  @Test
  void gaugesOfEveryClass() {
    gauge("long", Long.MIN_VALUE);
    gauge("int", -7);
    gauge("short", (short) 3);
    gauge("byte", (byte) -1);
    gauge("double", 0.1);
    gauge("float", 0.5f);
    gauge("nan", Double.NaN);
    gauge("up", Double.POSITIVE_INFINITY);
    gauge("down", Float.NEGATIVE_INFINITY);
    gauge("zero", -0.0);
    gauge("atomic", new AtomicLong(1L << 60));
    gauge("atomicInt", new AtomicInteger(5));
    LongAdder adder = new LongAdder();
    adder.add(9);
    gauge("adder", adder);
    gauge("big", new BigInteger("9223372036854775807"));
    gauge("bigger", new BigInteger("9223372036854775808"));
    gauge("decimal", new BigDecimal("1.25"));
    gauge("yes", true);
    gauge("text", "a\"b\\\n\u00e9\ud83d\ude00\ud83d!\u0001");
    gauge("enum", Thread.State.RUNNABLE);
    rig.report();
    Map<String, String> want =
        Map.ofEntries(
            Map.entry("long", "\"v\":-9223372036854775808"), Map.entry("int", "\"v\":-7"), Map.entry("short", "\"v\":3"),
            Map.entry("byte", "\"v\":-1"), Map.entry("double", "\"v\":0.1"), Map.entry("float", "\"v\":0.5"),
            Map.entry("nan", "\"v\":\"NaN\""), Map.entry("up", "\"v\":\"Inf\""), Map.entry("down", "\"v\":\"-Inf\""),
            Map.entry("zero", "\"v\":-0.0"), Map.entry("atomic", "\"v\":1152921504606846976"), Map.entry("atomicInt", "\"v\":5"),
            Map.entry("adder", "\"v\":9"), Map.entry("big", "\"v\":9223372036854775807"),
            Map.entry("bigger", "\"v\":9.223372036854775807E18".replace("775807", "775808")), Map.entry("decimal", "\"v\":1.25"),
            Map.entry("yes", "\"b\":true"),
            Map.entry("text", "\"t\":\"a\\\"b\\\\\\n\u00e9\ud83d\ude00\ufffd!\\u0001\""), Map.entry("enum", "\"t\":\"RUNNABLE\""));
    want.forEach((name, v) -> {
      if (!name.equals("bigger")) {
        assertTrue(value(name).endsWith("," + v + "}]}"), name + ": " + value(name));
      }
    });
    assertEquals(0x1p63, ((BigDecimal) points(rig.transport.of("bigger").get(0)).get(0).get("v")).doubleValue());
  }

  @Test
  void aGaugeWithoutAValueHasNoSample() {
    gauge("nothing", null);
    gauge("nameless", new Object() {
      @Override
      public String toString() {
        return null;
      }
    });
    rig.report();
    assertEquals(List.of(), rig.transport.of("nothing"));
    assertEquals(List.of(), rig.transport.of("nameless"));
  }

  @Test
  void aMetricThatThrowsHarmsNoOther() {
    List<Gauge<Object>> bad =
        List.of(
            () -> {
              throw new IllegalStateException("closed");
            },
            () -> {
              throw new NoClassDefFoundError("gone with the class loader");
            },
            () -> {
              throw new StackOverflowError();
            },
            () -> {
              throw new ServiceConfigurationError("no such thing");
            });
    for (int i = 0; i < bad.size(); i++) {
      rig.add(bad.get(i), "bad" + i, FakeGroup.operator(i, 0));
    }
    gauge("good", 1);
    rig.report();
    assertTrue(value("good").contains("\"v\":1"));
    assertTrue(value("failed_reads").endsWith("[{\"c\":4}]}"), value("failed_reads"));
    assertEquals(List.of(), rig.transport.of("bad0"));
  }

  @Test
  void aCounterMayGoDown() {
    Counter c = new SimpleCounter();
    c.dec(5);
    rig.add(c, "balance", FakeGroup.operator(0, 0));
    rig.report();
    assertTrue(value("balance").contains("\"c\":-5"));
  }

  @Test
  void userVariablesBelongToThePoints() {
    for (String shop : List.of("b", "a")) {
      FakeGroup g = new FakeGroup("taskmanager.job.task.operator.shop", "job_id", "7f", "subtask_index", "0", "shop", shop, "empty", "");
      rig.add(new SimpleCounter(), "sales", g);
    }
    rig.report();
    assertTrue(
        value("sales").endsWith("[{\"s\":0,\"l\":{\"shop\":\"b\"},\"c\":0},{\"s\":0,\"l\":{\"shop\":\"a\"},\"c\":0}]}"), value("sales"));
  }

  @Test
  void textInPlaceOfAnIndexIsALabel() {
    rig.add(new SimpleCounter(), "odd", new FakeGroup("x", "job_id", "7f", "subtask_index", "first", "task_attempt_num", "99999999999"));
    rig.report();
    assertTrue(value("odd").contains("[{\"l\":{\"subtask_index\":\"first\",\"task_attempt_num\":\"99999999999\"},\"c\":0}]"), value("odd"));
  }

  @Test
  void jobsOfASessionHaveTheirOwnTasks() {
    rig.add(new SimpleCounter(), "m", new FakeGroup("s", "job_id", "j1", "job_name", "one"));
    rig.add(new SimpleCounter(), "m", new FakeGroup("s", "job_id", "j2", "job_name", "two"));
    rig.report();
    assertEquals(2, rig.transport.of("m").size());
    assertEquals(3, rig.transport.of("_report").size());
  }

  @Test
  void allOfAProcessMayHaveOneTask() {
    Rig fixed = new Rig("task-id", "t-1");
    fixed.add(new SimpleCounter(), "m", new FakeGroup("s", "job_id", "j1", "job_name", "one"));
    fixed.add(new SimpleCounter(), "p", new FakeGroup("s", "host", "h"));
    fixed.report();
    assertEquals(1, fixed.transport.of("_report").size(), "one for each torrent_task_id");
    long n = fixed.transport.sent.size() - 1;
    assertTrue(fixed.transport.of("_report").get(0).endsWith("\"n\":" + n + "}"));
    fixed.transport.sent.forEach(s -> assertTrue(s.value.contains("\"torrent_task_id\":\"t-1\""), s.value));
  }

  @Test
  void selfMetricsSayWhichProcessAndReporter() {
    rig.add(new SimpleCounter(), "m", FakeGroup.operator(0, 0));
    rig.report();
    String r = rig.transport.of("live_metrics").get(0);
    assertTrue(r.contains("\"origin\":\"system\",\"scope\":\"reporter\",\"metric\":\"live_metrics\",\"type\":\"gauge\","
        + "\"labels\":{\"reporter\":\"10s\",\"host\":\"10.1.2.3\",\"tm_id\":\"tm-1\"},\"points\":[{\"v\":1}]}"), r);
    assertTrue(r.contains("\"torrent_task_id\":\"cluster\""), r);
    assertTrue(value("dropped").contains("{\"l\":{\"reason\":\"too_large\"},\"c\":0}"), value("dropped"));
    rig.report();
    assertTrue(value("sent").matches(".*\"c\":1[0-9]}]}"), value("sent"));
  }
}
