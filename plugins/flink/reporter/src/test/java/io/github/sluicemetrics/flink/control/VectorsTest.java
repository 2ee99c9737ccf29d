package io.github.sluicemetrics.flink.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.github.sluicemetrics.flink.json.JsonBytes;
import io.github.sluicemetrics.flink.json.JsonReader;
import io.github.sluicemetrics.flink.series.Names;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Replays what Sluice's own tests expect of a reporter that obeys a document. */
class VectorsTest {
  @TestFactory
  List<DynamicTest> vectors() throws IOException, URISyntaxException {
    Path folder = Path.of(VectorsTest.class.getResource("/collect").toURI());
    List<DynamicTest> out = new ArrayList<>();
    try (var files = Files.list(folder)) {
      for (Path f : files.filter(p -> p.toString().endsWith(".json")).sorted().collect(Collectors.toList())) {
        for (Object v : (List<?>) JsonReader.read(Files.readAllBytes(f))) {
          Members vector = Members.of(v);
          out.add(DynamicTest.dynamicTest(f.getFileName() + ": " + vector.text("name"), () -> replay(vector)));
        }
      }
    }
    assertFalse(out.isEmpty(), "no vectors in " + folder);
    return out;
  }

  private static void replay(Members vector) {
    Rules rules = parse(vector);
    Map<String, Step> steps = new HashMap<>();
    int n = 0;
    for (Members s : vector.objects("series")) {
      String where = "series " + n++ + " of " + vector.text("name");
      Map<String, String> labels = s.textByName("labels");
      Subject x = subject(vector.text("task"), s, labels);
      if (s.any("hash") != null) {
        assertEquals(s.text("hash"), Long.toUnsignedString(SeriesHash.of(x)), where);
      }
      Verdict v = rules.decide(x, labels.keySet());
      // The step keeps state from report to report, as the plan of a metric does.
      Step step = steps.computeIfAbsent(s.text("scope") + s.text("metric") + s.text("type") + x.labels(), k -> v.step());
      boolean passes = !v.skip() && step.passes(s.whole("at_ms"), vector.whole("period_ms"));
      Members expect = Members.of(s.any("expect"));
      assertEquals(expect.text("do"), passes ? "send" : "skip", where);
      if (passes) {
        assertEquals(expect.text("topic"), v.topic(), where);
        assertEquals(expect.textByName("labels"), without(labels, v.dropped()), where);
      }
    }
  }

  /** A document that cannot be read is as good as none. */
  private static Rules parse(Members vector) {
    try {
      return Rules.parse(text(vector.any("document")).getBytes(StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      return Rules.NONE;
    }
  }

  private static Subject subject(String task, Members s, Map<String, String> labels) {
    Map<String, String> all = new TreeMap<>(Names.ORDER);
    all.putAll(labels);
    all.putIfAbsent("torrent_task_id", task);
    if (s.whole("subtask") >= 0) {
      all.putIfAbsent("subtask_index", "" + s.whole("subtask"));
    }
    if (s.whole("attempt") >= 0) {
      all.putIfAbsent("task_attempt_num", "" + s.whole("attempt"));
    }
    all.values().removeIf(String::isEmpty);
    return new Subject(task, Names.series(s.text("scope"), s.text("metric")), s.text("type"), s.text("origin"), all);
  }

  private static Map<String, String> without(Map<String, String> labels, Set<String> dropped) {
    Map<String, String> out = new HashMap<>(labels);
    out.keySet().removeAll(dropped);
    return out;
  }

  /** Writes JSON again, so that documents need not stand in vectors as strings. */
  private static String text(Object json) {
    if (json instanceof Map) {
      return ((Map<?, ?>) json).entrySet().stream().map(e -> text(e.getKey()) + ":" + text(e.getValue()))
          .collect(Collectors.joining(",", "{", "}"));
    }
    if (json instanceof List) {
      return ((List<?>) json).stream().map(VectorsTest::text).collect(Collectors.joining(",", "[", "]"));
    }
    if (json instanceof String) {
      return new JsonBytes(64).text((String) json).toString();
    }
    return json instanceof BigDecimal ? ((BigDecimal) json).toPlainString() : String.valueOf(json);
  }
}
