package io.github.sluicemetrics.flink.series;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Who registers a metric, by its name: Flink, its table runtime, or nobody that is known, which is the
 * code of a job or a Flink newer than this list. The list is made from Sluice's catalogue. Immutable.
 */
public final class Catalogue {
  /** The list in the jar: an origin and the name of a series in each line, * for text that differs. */
  private static final String RESOURCE = "/io/github/sluicemetrics/flink/native-metrics.txt";

  private final Map<String, String> exact = new HashMap<>();
  private final List<String[]> shapes = new ArrayList<>();

  private Catalogue() {}

  /** Reads the list in the jar. */
  public static Catalogue load() {
    Catalogue c = new Catalogue();
    try (InputStream in = Catalogue.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new IllegalStateException("the jar lacks " + RESOURCE);
      }
      BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        c.add(line);
      }
    } catch (IOException e) {
      throw new IllegalStateException("the jar is damaged: " + RESOURCE, e);
    }
    return c;
  }

  private void add(String line) {
    if (line.isBlank() || line.startsWith("#")) {
      return;
    }
    int space = line.indexOf(' ');
    String name = line.substring(space + 1);
    if (name.indexOf('*') < 0) {
      exact.put(name, line.substring(0, space));
    } else {
      shapes.add(name.split("\\*", -1));
    }
  }

  /** Returns the origin of a series where the list has its very name, or "": then it is not sure. */
  public String origin(String series) {
    return exact.getOrDefault(series, "");
  }

  /** Reports whether the list has the series, by its name or by one with parts that differ. */
  public boolean has(String series) {
    return exact.containsKey(series) || shapes.stream().anyMatch(s -> fits(s, series));
  }

  /** Reports whether a name has the parts in order, with text between them. */
  private static boolean fits(String[] parts, String name) {
    String first = parts[0];
    String last = parts[parts.length - 1];
    if (name.length() <= first.length() + last.length() || !name.startsWith(first) || !name.endsWith(last)) {
      return false;
    }
    String rest = name.substring(first.length(), name.length() - last.length());
    for (int i = 1; i < parts.length - 1; i++) {
      int at = rest.indexOf(parts[i], 1);
      if (at < 0) {
        return false;
      }
      rest = rest.substring(at + parts[i].length());
    }
    return !rest.isEmpty();
  }
}
