package io.github.sluicemetrics.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.SimpleCounter;
import org.junit.jupiter.api.Test;

/** What becomes of metrics that come and go, and of reports that cannot be sent. */
class LifeTest {
  private final Rig rig = new Rig();
  private final SimpleCounter c = new SimpleCounter();

  @Test
  void aMetricThatGoesAwayEnds() {
    rig.add(c, "m", FakeGroup.operator(0, 2));
    rig.report();
    rig.remove(c, "m", FakeGroup.operator(0, 2));
    rig.report();
    List<String> records = rig.transport.of("m");
    assertEquals(1, records.size());
    assertTrue(records.get(0).contains("\"cv\":0,\"scope\":"), records.get(0));
    assertTrue(
        records.get(0).endsWith(",\"end\":true,\"points\":[{\"s\":0,\"a\":2,\"l\":{\"task_attempt_id\":\"at-0-2\"}}]}"), records.get(0));
    assertTrue(rig.transport.of("_report").get(0).endsWith("\"n\":1}"), "an end is a record of the report");
    rig.report();
    assertEquals(List.of(), rig.transport.of("m"), "told once");
  }

  @Test
  void anEndWithoutAnyLabelOfAPoint() {
    FakeGroup g = new FakeGroup("jobmanager", "host", "h");
    rig.add(c, "m", g);
    rig.report();
    rig.remove(c, "m", g);
    rig.report();
    assertTrue(rig.transport.of("m").get(0).endsWith(",\"end\":true,\"points\":[{}]}"), rig.transport.of("m").get(0));
  }

  @Test
  void whatWasNeverSentDoesNotEnd() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.remove(c, "m", FakeGroup.operator(0, 0));
    rig.report();
    assertEquals(List.of(), rig.transport.of("m"));
  }

  @Test
  void aMetricRegisteredAnewGoesOn() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.report();
    rig.remove(c, "m", FakeGroup.operator(0, 0));
    SimpleCounter again = new SimpleCounter();
    rig.add(again, "m", FakeGroup.operator(0, 0));
    rig.report();
    assertEquals(1, rig.transport.of("m").size());
    assertFalse(rig.transport.of("m").get(0).contains("end"));
    rig.remove(again, "m", FakeGroup.operator(0, 0));
    rig.report();
    assertTrue(rig.transport.of("m").get(0).contains("\"end\":true"));
  }

  @Test
  void oneObjectMayBeRegisteredInSeveralPlaces() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.add(c, "m", FakeGroup.operator(1, 0));
    rig.add(c, "m", FakeGroup.operator(1, 0));
    rig.report();
    assertEquals(2, ReportTest.points(rig.transport.of("m").get(0)).size());
    rig.remove(c, "m", FakeGroup.operator(0, 0));
    rig.report();
    assertEquals(2, rig.transport.of("m").size(), "an end and a sample");
    assertTrue(rig.transport.of("m").get(1).contains("\"s\":1"));
  }

  @Test
  void theRestOfAGroupStaysWhenOneGoes() {
    SimpleCounter[] all = new SimpleCounter[5];
    for (int i = 0; i < all.length; i++) {
      all[i] = new SimpleCounter();
      all[i].inc(i);
      rig.add(all[i], "m", FakeGroup.operator(i, 0));
    }
    rig.remove(all[1], "m", FakeGroup.operator(1, 0));
    rig.remove(all[4], "m", FakeGroup.operator(4, 0));
    rig.report();
    String r = rig.transport.of("m").get(0);
    for (int i : new int[] {0, 2, 3}) {
      assertTrue(r.contains("{\"s\":" + i + ",\"a\":0,\"l\":{\"task_attempt_id\":\"at-" + i + "-0\"},\"c\":" + i + "}"), r);
    }
    assertEquals(3, ReportTest.points(r).size());
  }

  @Test
  void theNewestReportWinsAndTheLostOneIsCounted() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.transport.up = false;
    rig.report();
    c.inc();
    rig.report();
    c.inc();
    assertEquals(List.of(), rig.transport.sent);
    rig.transport.up = true;
    rig.report();
    assertEquals(1, rig.transport.of("m").size());
    assertTrue(rig.transport.of("m").get(0).contains("\"seq\":3,"), "the gap in the numbers tells");
    assertTrue(rig.transport.of("m").get(0).endsWith("\"c\":2}]}"));
    assertTrue(rig.transport.of("dropped").get(0).contains("{\"l\":{\"reason\":\"skipped\"},\"c\":2}"));
  }

  @Test
  void endsOutliveReportsThatAreLost() {
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.report();
    rig.transport.up = false;
    rig.remove(c, "m", FakeGroup.operator(0, 0));
    rig.report();
    rig.transport.up = true;
    rig.report();
    assertTrue(rig.transport.of("m").get(0).contains("\"end\":true"));
  }

  @Test
  void recordsAreCutAtAThousandPoints() {
    for (int i = 0; i < 2500; i++) {
      rig.add(new SimpleCounter(), "m", new FakeGroup("s", "job_id", "j", "subtask_index", "" + i));
    }
    rig.report();
    List<String> records = rig.transport.of("m");
    assertEquals(List.of(1000, 1000, 500), List.of(size(records, 0), size(records, 1), size(records, 2)));
    assertEquals(1, rig.transport.sent.stream().filter(s -> s.value.contains("\"m\"")).map(s -> s.key).distinct().count());
  }

  @Test
  void recordsAreCutAtASize() {
    String large = "x".repeat(100_000);
    for (int i = 0; i < 5; i++) {
      Object text = large + i;
      rig.add((Gauge<Object>) () -> text, "m", new FakeGroup("s", "job_id", "j", "subtask_index", "" + i));
    }
    Object huge = "x".repeat(300_000);
    rig.add((Gauge<Object>) () -> huge, "m", new FakeGroup("s", "job_id", "j", "subtask_index", "9"));
    rig.report();
    List<String> records = rig.transport.of("m");
    assertEquals(List.of(2, 2, 1), List.of(size(records, 0), size(records, 1), size(records, 2)));
    records.forEach(r -> assertTrue(r.length() <= 256 << 10));
    String all = String.join("", records);
    for (int i = 0; i < 5; i++) {
      assertTrue(all.contains("x" + i + "\""));
    }
    rig.report();
    assertTrue(rig.transport.of("dropped").get(0).contains("{\"l\":{\"reason\":\"too_large\"},\"c\":"));
    assertFalse(rig.transport.of("dropped").get(0).contains("{\"l\":{\"reason\":\"too_large\"},\"c\":0}"));
  }

  private static int size(List<String> records, int i) {
    return ReportTest.points(records.get(i)).size();
  }

  @Test
  void keysAreAsAskedFor() {
    for (String[] want : new String[][] {{"task", "7f"}, {"process", "tm-1"}, {"task-metric", "7f\0m"}}) {
      Rig r = new Rig("key", want[0]);
      r.add(c, "m", FakeGroup.operator(0, 0));
      r.report();
      assertEquals(want[1], r.transport.sent.get(0).key);
    }
  }

  @Test
  void aReportThatRunsOutOfMemoryIsNotTheLast() {
    boolean[] enough = {true};
    Gauge<Object> large =
        () -> {
          if (!enough[0]) {
            throw new OutOfMemoryError("for a while");
          }
          return 1;
        };
    rig.add(large, "large", FakeGroup.operator(0, 0));
    rig.add(c, "m", FakeGroup.operator(0, 0));
    rig.report();
    rig.remove(c, "m", FakeGroup.operator(0, 0));
    enough[0] = false;
    for (int i = 0; i < 5; i++) {
      assertThrows(OutOfMemoryError.class, rig::report);
    }
    enough[0] = true;
    rig.report();
    assertEquals(1, rig.transport.of("large").size());
    assertTrue(rig.transport.of("m").get(0).contains("\"end\":true"), "the end was not lost");
  }
}
