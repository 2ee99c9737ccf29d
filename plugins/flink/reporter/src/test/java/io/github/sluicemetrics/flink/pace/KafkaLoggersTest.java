package io.github.sluicemetrics.flink.pace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;
import org.slf4j.MarkerFactory;

class KafkaLoggersTest {
  private final List<String> lines = new ArrayList<>();
  private final Map<String, Long> written = new HashMap<>();
  private long now;

  private Logger limited() {
    Logger log =
        (Logger) Proxy.newProxyInstance(Logger.class.getClassLoader(), new Class<?>[] {Logger.class}, (p, m, arguments) -> {
          if (m.getName().startsWith("is")) {
            return true;
          }
          for (Object a : arguments) {
            if ("broken".equals(a)) {
              throw new IllegalStateException("broken");
            }
          }
          lines.add(m.getName() + " " + arguments[0]);
          return null;
        });
    return KafkaLoggers.limited(log, written, () -> now);
  }

  @Test
  void aMessageIsRepeatedOnceAMinute() {
    Logger log = limited();
    for (int second = 0; second < 121; second++, now += Duration.ofSeconds(1).toNanos()) {
      log.info("Rebootstrapping with {}", second);
      log.warn("Connection to node {} could not be established.", second);
      limited().info("Rebootstrapping with {}", -second); // that of another client
    }
    assertEquals(6, lines.size(), lines.toString());
    assertEquals(List.of("info Rebootstrapping with {}", "warn Connection to node {} could not be established."), lines.subList(0, 2));
  }

  @Test
  void otherLevelsAndQuestionsPass() {
    Logger log = limited();
    for (int i = 0; i < 3; i++) {
      log.debug("d");
      log.trace("t", i, i);
    }
    assertEquals(6, lines.size());
    assertTrue(log.isInfoEnabled());
    log.error(MarkerFactory.getMarker("m"), "failed", new IllegalStateException());
    log.error(MarkerFactory.getMarker("m"), "failed", new IllegalStateException());
    assertEquals(7, lines.size(), "limited by the message, not by its marker");
  }

  @Test
  void messagesWithoutEndAreBounded() {
    Logger log = limited();
    for (int i = 0; i < 10_000; i++) {
      log.info("message " + i);
    }
    assertTrue(written.size() <= 257, "kept " + written.size());
    assertEquals(written.size(), lines.size());
  }

  @Test
  void whatALoggerThrowsComesThrough() {
    assertThrows(IllegalStateException.class, () -> limited().info("broken"));
  }

  @Test
  void onlyKafkaIsLimited() {
    assertTrue(Proxy.isProxyClass(KafkaLoggers.getLogger("io.github.sluicemetrics.flink.shaded.kafka.clients.Metadata").getClass()));
    assertTrue(!Proxy.isProxyClass(KafkaLoggers.getLogger(KafkaLoggersTest.class).getClass()));
  }
}
