package io.github.sluicemetrics.flink.pace;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;

class QuietLogTest {
  private long now;

  @Test
  void oneLineInAWhile() {
    List<Object> lines = new ArrayList<>();
    Logger log =
        (Logger) Proxy.newProxyInstance(Logger.class.getClassLoader(), new Class<?>[] {Logger.class}, (p, m, args) -> {
          if (m.getName().equals("warn")) {
            lines.add(((Object[]) args[1])[2]);
          }
          return null;
        });
    QuietLog q = new QuietLog(log, Duration.ofMinutes(1), () -> now);
    for (int i = 0; i < 100; i++, now += Duration.ofSeconds(1).toNanos()) {
      q.warn("m", new IllegalStateException("x"));
    }
    assertEquals(List.of("", " (and 59 more like it)"), lines);
  }
}
