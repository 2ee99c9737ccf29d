package io.github.sluicemetrics.flink.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class RulesTest {
  static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void aDamagedDocumentIsRefused() {
    for (String bad :
        List.of(
            "", "{", "[]", "null", "{\"v\":2,\"rules\":[]}", "{\"rules\":[]}", "{\"v\":1,\"rules\":{}}", "{\"v\":1,\"rules\":[1]}",
            "{\"v\":1,\"cv\":1e400,\"rules\":[]}", "{\"v\":1.5}", "{\"v\":1,\"tasks\":[{\"match\":\"*\"}]}", "{\"v\":1,\"rules\":[{\"do\":7}]}",
            "{\"v\":1,\"labels\":[{\"drop\":[1]}]}", "{\"v\":1}x")) {
      assertThrows(IllegalArgumentException.class, () -> Rules.parse(bytes(bad)), bad);
    }
    assertThrows(IllegalArgumentException.class, () -> Rules.parse(new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'}));
    assertEquals(7, Rules.parse(bytes("{\"v\":1,\"cv\":7}")).version());
  }

  @Test
  void tasksOfWeeksAreNotRemembered() {
    Rules r = Rules.parse(bytes("{\"v\":1,\"tasks\":[{\"match\":[\"off-*\"],\"enabled\":false}]}"));
    for (int i = 0; i < 5000; i++) {
      assertEquals(i % 2 == 0, r.off((i % 2 == 0 ? "off-" : "on-") + i, "job"));
    }
    assertTrue(r.remembered() <= 1000, r.remembered() + " tasks");
  }

  @Test
  void anExpressionThatIsTooDeepIsNotUnderstood() {
    String deep = "re:" + "(".repeat(50_000) + "a" + ")".repeat(50_000);
    assertEquals(Answer.PERHAPS, new Patterns(List.of(deep)).match("a"));
  }
}
