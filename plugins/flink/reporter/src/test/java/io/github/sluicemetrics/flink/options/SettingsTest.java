package io.github.sluicemetrics.flink.options;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Test;

class SettingsTest {
  private final List<String> problems = new ArrayList<>();

  private Settings read(String... options) {
    Properties p = new Properties();
    for (int i = 0; i < options.length; i += 2) {
      p.setProperty(options[i], options[i + 1]);
    }
    return Settings.read(p, Map.of("SLUICE_TASK_ID", "from-env", "OTHER", " other ")::get, problems::add);
  }

  @Test
  void everyDefaultIsAllowed() {
    Settings s = read("bootstrap.servers", "b:1");
    assertEquals(List.of(), problems);
    assertEquals("flink.native", s.get(Options.NATIVE));
    assertEquals(List.of(0.5, 0.75, 0.95, 0.98, 0.99, 0.999), s.get(Options.QUANTILES));
    assertEquals(Duration.ofSeconds(20), s.get(Options.CONTROL_WAIT));
    assertNull(s.get(Options.CONTROL_URL));
    assertEquals("10s", s.name());
  }

  @Test
  void aWrongOptionIsToldInOneLineAndStandsAtItsDefault() {
    String[][] wrong = {
      {"topic.native", "a/b"}, {"topic.custom", ""}, {"key", "topic"}, {"compression", "snappy"}, {"control.url", "ftp://x"},
      {"control.url", "http://x/?a=b"}, {"control.wait", "2 min"}, {"control.wait", "soon"},
      {"control.wait", "5 parsecs"}, {"histogram.quantiles", "0.5,2"}, {"histogram.quantiles", "0.5,x"},
      {"histogram.quantiles", "0.5,0.5"}, {"task-id.job-name-regex", "("}, {"task-id.env", ""}, {"control.dir", "a\0b"},
    };
    for (String[] w : wrong) {
      problems.clear();
      Settings s = read("bootstrap.servers", "b:1", w[0], w[1]);
      assertEquals(1, problems.size(), w[0] + " " + w[1] + ": " + problems);
      String line = problems.get(0);
      Option<?> o = Options.ALL.stream().filter(x -> x.name().equals(w[0])).findFirst().orElseThrow();
      assertTrue(line.startsWith("option " + w[0] + " is \"" + w[1] + "\": "), line);
      assertTrue(line.contains("Allowed: " + o.allowed()), line);
      assertEquals(o.parse(o.fallback()), s.get(o));
    }
  }

  @Test
  void whatIsMissingOrUnknownIsTold() {
    read("topic.nativ", "x", "interval", "1 s", "factory.class", "c", "filter.includes", "*", "scope.variables.excludes", "a");
    assertEquals(2, problems.size(), problems.toString());
    assertTrue(problems.get(0).contains("topic.nativ"));
    assertTrue(problems.get(1).contains("bootstrap.servers"));
    problems.clear();
    read("bootstrap.servers", "b:1", "producer.max.block.ms", "60000", "control.url", "http://a", "control.topic", "c");
    assertEquals(2, problems.size(), problems.toString());
    assertTrue(problems.get(0).contains("producer.max.block.ms"));
    assertTrue(problems.get(1).contains("control.topic"));
  }

  @Test
  void theIdOfTheTaskIsTheFirstThatIsSet() {
    assertEquals("from-env", read().fixedTaskId());
    assertEquals("other", read("task-id.env", "OTHER").fixedTaskId());
    assertEquals("", read("task-id.env", "NONE").fixedTaskId());
    assertEquals("opt", read("task-id", "opt").fixedTaskId());
    assertEquals("c", read("cluster-id", "c").clusterId());
    assertTrue(!read().clusterId().isEmpty());
  }

  @Test
  void durationsAsFlinkWritesThem() {
    for (String text : new String[] {"1s", "1 s", "1000", "1000 ms", "1 SECONDS", "1 sec", "1 second"}) {
      assertEquals(Duration.ofSeconds(1), read("interval", text).interval(), text);
    }
    assertEquals(Duration.ofSeconds(10), read("interval", "often").interval());
    assertEquals("1500ms", read("interval", "1500 ms").name());
    assertEquals("fast", read("name", "fast").name());
  }

  @Test
  void valuesNeedNotBeText() {
    Properties p = new Properties();
    p.put("bootstrap.servers", List.of("a:1", "b:2"));
    p.put("interval", Duration.ofSeconds(1));
    p.put("histogram.quantiles", List.of(0.5, 0.9));
    p.put("producer.linger.ms", 50);
    Settings s = Settings.read(p, name -> null, problems::add);
    assertEquals(List.of(), problems);
    assertEquals("a:1,b:2", s.get(Options.BOOTSTRAP));
    assertEquals(Duration.ofSeconds(1), s.interval());
    assertEquals(List.of(0.5, 0.9), s.get(Options.QUANTILES));
    assertEquals("50", s.producer().get("linger.ms"));
  }

  @Test
  void secretsAreNotLogged() {
    String[][] wrong = {
      {"control.token", "hunter2"}, {"control.tokn", "http://u:hunter2@x"}, {"control.url", "http://u:hunter2@x"},
      {"control.url", "http://u:hunter 2@x"}, {"produce.sasl.jaas.config", "hunter2"}, {"produce.ssl.key.password", "hunter2"},
    };
    for (String[] w : wrong) {
      problems.clear();
      read("bootstrap.servers", "b:1", w[0], w[1]);
      assertEquals(1, problems.size(), w[0] + ": " + problems);
      assertTrue(problems.get(0).startsWith("option " + w[0] + " is ******: "), problems.get(0));
      assertFalse(problems.get(0).contains("hunter"), problems.get(0));
    }
  }
}
