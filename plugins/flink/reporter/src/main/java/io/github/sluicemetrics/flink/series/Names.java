package io.github.sluicemetrics.flink.series;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;

/**
 * The names that series and labels have in Sluice and in Prometheus. Rules are written with these, so
 * they must come out as Sluice makes them.
 */
public final class Names {
  /** Sorts as UTF-8 does, which for characters beyond U+FFFF is not the order of Java's strings. */
  public static final Comparator<String> ORDER =
      (a, b) -> Arrays.compareUnsigned(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));

  private Names() {}

  /**
   * Returns the name of a series: "flink_", scope and metric, every character that a name may not have
   * replaced by an underscore. Without a scope the metric is the whole name.
   */
  public static String series(String scope, String metric) {
    StringBuilder b = new StringBuilder(scope.length() + metric.length() + 7);
    if (!scope.isEmpty()) {
      b.append("flink_");
      sanitise(b, scope, false, ':');
      b.append('_');
    }
    sanitise(b, metric, scope.isEmpty(), ':');
    return b.toString();
  }

  /**
   * Returns the name of a label: without the angle brackets of Flink's variables, what a label name may
   * not have replaced by underscores, of which only one stands at the beginning.
   */
  public static String label(String written) {
    StringBuilder b = new StringBuilder(written.length());
    sanitise(b, plain(written), true, '_');
    int from = 0;
    while (b.length() - from > 1 && b.charAt(from) == '_' && b.charAt(from + 1) == '_') {
      from++;
    }
    return b.length() == 0 ? "_" : b.substring(from);
  }

  /** Returns the name of a variable without the angle brackets. */
  public static String plain(String variable) {
    int n = variable.length();
    return n > 1 && variable.charAt(0) == '<' && variable.charAt(n - 1) == '>' ? variable.substring(1, n - 1) : variable;
  }

  /** Returns text that UTF-8 can hold: half of a surrogate pair becomes U+FFFD. */
  public static String valid(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        return repaired(text, i);
      }
    }
    return text;
  }

  private static String repaired(String text, int from) {
    StringBuilder b = new StringBuilder(text.length()).append(text, 0, from);
    for (int i = from; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      b.appendCodePoint(c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE ? 0xfffd : c);
    }
    return b.toString();
  }

  private static void sanitise(StringBuilder b, String s, boolean start, char colon) {
    for (int i = 0; i < s.length(); ) {
      int c = s.codePointAt(i);
      boolean digit = c >= '0' && c <= '9';
      if (digit && start && i == 0) {
        b.append('_');
      }
      if (digit || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
        b.append((char) c);
      } else {
        b.append(c == ':' ? colon : '_');
      }
      i += Character.charCount(c);
    }
  }
}
