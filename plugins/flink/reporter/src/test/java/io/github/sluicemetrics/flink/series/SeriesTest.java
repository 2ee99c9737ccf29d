package io.github.sluicemetrics.flink.series;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.re2j.Pattern;
import io.github.sluicemetrics.flink.FakeGroup;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.metrics.SimpleCounter;
import org.junit.jupiter.api.Test;

class SeriesTest {
  @Test
  void namesAreThoseOfSluice() {
    assertEquals("flink_taskmanager_job_task_numRecordsIn", Names.series("taskmanager.job.task", "numRecordsIn"));
    assertEquals("_9lives", Names.series("", "9lives"));
    assertEquals("flink_9_1", Names.series("9", "1"));
    assertEquals("flink_a_b_:c", Names.series("a", "\ud83d\ude00_:c".replace("\ud83d\ude00", "b")));
    assertEquals("flink_a__", Names.series("a", "\ud83d\ude00"));
    assertEquals("my_key", Names.label("<my-key>"));
    assertEquals("_x", Names.label("____x"));
    assertEquals("_", Names.label(""));
    assertEquals("_", Names.label("__"));
    assertEquals("a_b", Names.label("a:b"));
    assertEquals("_1", Names.label("1"));
    assertEquals("\ufffdx\ud83d\ude00", Names.valid("\udc00x\ud83d\ude00"));
    assertTrue(Names.ORDER.compare("\uff21", "\ud83d\ude00") < 0, "as bytes, not as Java's characters");
  }

  @Test
  void idsOfTasksInTheirOrder() {
    Map<String, String> job = Map.of("<job_id>", "7f", "<job_name>", "t-12 orders");
    Pattern p = Pattern.compile("^(t-\\d+) ");
    assertEquals("fixed", new TaskIds("fixed", p, "c").of(job));
    assertEquals("t-12", new TaskIds("", p, "c").of(job));
    assertEquals("7f", new TaskIds("", null, "c").of(job));
    assertEquals("7f", new TaskIds("", Pattern.compile("^x(.*)"), "c").of(job));
    assertEquals("7f", new TaskIds("", Pattern.compile("()t"), "c").of(job), "an empty id is none");
    assertEquals("t-12 ", new TaskIds("", Pattern.compile("^t-\\d+ "), "c").of(job));
    assertEquals("c", new TaskIds("", p, "c").of(Map.of("<host>", "h")));
    assertEquals("fixed", new TaskIds("fixed", p, "c").process());
  }

  @Test
  void rulesSeeAllLabels() {
    Map<String, String> v = new LinkedHashMap<>();
    v.put("<host>", "h");
    v.put("<subtask_index>", "3");
    v.put("<task_attempt_num>", "0");
    v.put("<my-key>", "k");
    v.put("<empty>", "");
    Site s = new Site(new Task("t", ""), v);
    assertEquals(
        "{host=h, my_key=k, subtask_index=3, task_attempt_num=0, torrent_task_id=t}", s.labels().toString());
    assertEquals(List.of("host", "my-key"), new ArrayList<>(s.names()));
  }

  @Test
  void theCatalogueKnowsWhatFlinkRegisters() {
    Catalogue c = Catalogue.load();
    assertEquals("native", c.origin("flink_taskmanager_job_task_operator_numRecordsIn"));
    assertEquals("", c.origin("flink_taskmanager_job_task_operator_orders"));
    assertFalse(c.has("flink_taskmanager_job_task_operator_orders"));
    assertTrue(c.has("flink_taskmanager_Status_JVM_GarbageCollector_G1_Young_Generation_Count"));
    assertFalse(c.has("flink_taskmanager_Status_JVM_GarbageCollector__Count"), "something must differ");
  }

  @Test
  void metricsOfOneGroupShareTheirSiteWhateverMapTheyBring() {
    Registry registry = new Registry(new TaskIds("", null, "c"));
    for (String name : List.of("a", "b")) {
      registry.add(new SimpleCounter(), name, FakeGroup.operator(0, 0));
    }
    registry.add(new SimpleCounter(), "a", FakeGroup.operator(1, 0));
    Roster r = registry.roster(new ArrayList<>());
    Set<Site> sites = Collections.newSetFromMap(new IdentityHashMap<>());
    for (int i = 0; i < r.size(); i++) {
      sites.add(r.entry(i).site());
    }
    assertEquals(2, sites.size());
  }
}
