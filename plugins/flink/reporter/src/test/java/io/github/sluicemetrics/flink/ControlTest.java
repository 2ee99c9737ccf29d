package io.github.sluicemetrics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.SimpleCounter;
import org.junit.jupiter.api.Test;

/** What rules do to reports. Which rule decides is tested by the vectors. */
class ControlTest {
  private final Rig rig = new Rig();
  private final SimpleCounter c = new SimpleCounter();

  private static String document(String rules, String labels) {
    return "{\"v\":1,\"cv\":281474976710655,\"rules\":[" + rules + "],\"labels\":[" + labels + "]}";
  }

  private static final String DROP = document("{\"id\":\"a\",\"do\":\"drop\",\"match\":{\"metrics\":[\"*_m\"]}}", "");

  @Test
  void whatIsDroppedIsNotReadAndItsSeriesEnds() {
    int[] reads = {0};
    Gauge<Integer> g = () -> ++reads[0];
    rig.add(g, "m", FakeGroup.operator(0, 0));
    rig.report();
    rig.obey(DROP);
    rig.report();
    List<String> records = rig.transport.of("m");
    assertEquals(1, records.size());
    assertTrue(records.get(0).contains("\"end\":true"), records.get(0));
    assertTrue(records.get(0).contains("\"cv\":281474976710655,"), "the version in force is told");
    int before = reads[0];
    rig.report();
    assertEquals(List.of(), rig.transport.of("m"));
    assertEquals(before, reads[0], "nobody wants it, so nobody asks for it");
    rig.obey(document("", ""));
    rig.report();
    rig.report();
    assertEquals(1, rig.transport.of("m").size());
    assertFalse(rig.transport.of("m").get(0).contains("end"));
  }

  @Test
  void aTaskThatIsOffOnlyClosesItsReports() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.obey("{\"v\":1,\"cv\":5,\"tasks\":[{\"match\":[\"*\"],\"enabled\":false}],\"rules\":[],\"labels\":[]}");
    rig.report();
    assertEquals(2, rig.transport.sent.size(), "of the job and of the process");
    rig.transport.sent.forEach(s -> assertTrue(s.value.endsWith("\"metric\":\"_report\",\"type\":\"gauge\",\"n\":0}"), s.value));
  }

  @Test
  void topicsAreThoseOfTheRule() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.obey(document("{\"do\":\"topic\",\"topic\":\"flink.isolated\",\"match\":{\"labels\":{\"subtask_index\":[\"0\"]}}}", ""));
    rig.add(new SimpleCounter(), "m", FakeGroup.operator(1, 0));
    rig.report();
    assertEquals(2, rig.transport.of("m").size());
    rig.transport.sent.stream().filter(s -> s.value.contains("\"m\"")).forEach(s ->
        assertEquals(s.value.contains("\"s\":0") ? "flink.isolated" : "flink.custom", s.topic));
  }

  @Test
  void labelsAreLeftOut() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.obey(document("", "{\"drop\":[\"task_attempt_id\",\"operator_*\",\"job_name\"],\"match\":{}}"));
    rig.report();
    String r = rig.transport.of("m").get(0);
    assertFalse(r.contains("task_attempt_id"), r);
    assertFalse(r.contains("operator_id"), r);
    assertTrue(r.contains("\"job_name\":\"orders\""), r);
    assertTrue(r.endsWith("\"points\":[{\"s\":0,\"a\":0,\"c\":0}]}"), r);
    rig.remove(c, "m", FakeGroup.operator(0, 0));
    rig.report();
    assertTrue(rig.transport.of("m").get(0).endsWith(",\"end\":true,\"points\":[{\"s\":0,\"a\":0}]}"), "the end is of the series as it was sent");
  }

  @Test
  void theLastSampleOfAMetricThatGoesIsSentWithItsOwnTime() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.obey(document("{\"do\":\"thin\",\"every_ms\":3600000,\"pick\":\"last\",\"match\":{}}", ""));
    rig.report();
    assertEquals(List.of(), rig.transport.of("m"), "another report surely follows");
    c.inc(7);
    rig.report();
    long taken = rig.now();
    rig.remove(c, "m", FakeGroup.operator(0, 0));
    c.inc();
    rig.report();
    List<String> records = rig.transport.of("m");
    assertEquals(2, records.size());
    assertTrue(records.get(0).contains("\"report_timestamp\":" + taken + ","), records.get(0));
    assertTrue(records.get(0).endsWith("\"c\":7}]}"), records.get(0));
    assertTrue(records.get(1).contains("\"report_timestamp\":" + rig.now() + ","), records.get(1));
    assertTrue(records.get(1).contains("\"end\":true"), records.get(1));
  }

  @Test
  void decisionsAreMadeOnceForEachDocument() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.obey(document("{\"do\":\"thin\",\"every_ms\":25000,\"pick\":\"first\",\"match\":{\"metrics\":[\"*_m\"]}}", ""));
    StringBuilder sent = new StringBuilder();
    for (int i = 0; i < 6; i++) {
      rig.report();
      sent.append(rig.transport.of("m").size());
    }
    assertEquals("101010", sent.toString(), "a rule that keeps state does so from report to report");
  }
}
