package io.github.sluicemetrics.flink.options;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The table of options in the README is made from the code; -Dupdate=true writes it. */
class ReadmeTest {
  private static final Path README = Path.of("..", "README.md");
  private static final String BEGIN = "<!-- options: begin -->\n";
  private static final String END = "<!-- options: end -->";

  private static String table() {
    StringBuilder b = new StringBuilder("| option | default | allowed | meaning |\n|---|---|---|---|\n");
    for (Option<?> o : Options.ALL) {
      b.append("| `").append(o.name()).append("` | ").append(o.fallback().isEmpty() ? "" : "`" + o.fallback() + "`").append(" | ")
          .append(o.allowed()).append(" | ").append(o.meaning()).append(" |\n");
    }
    return b.append("| `").append(Options.PRODUCER).append("*` | | options of Kafka's producer | ")
        .append("Passed to the producer, and to the reader of the control topic where it has the option, too. |\n").toString();
  }

  @Test
  void theTableIsThatOfTheCode() throws IOException {
    String text = Files.readString(README);
    int from = text.indexOf(BEGIN) + BEGIN.length();
    int to = text.indexOf(END);
    if (Boolean.getBoolean("update")) {
      text = text.substring(0, from) + table() + text.substring(to);
      Files.writeString(README, text);
      to = text.indexOf(END);
    }
    assertEquals(table(), text.substring(from, to), "run mvn -Dupdate=true -Dtest=ReadmeTest test");
  }
}
