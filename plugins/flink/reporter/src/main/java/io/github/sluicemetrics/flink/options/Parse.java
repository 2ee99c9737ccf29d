package io.github.sluicemetrics.flink.options;

import com.google.re2j.Pattern;
import io.github.sluicemetrics.flink.record.KeyForm;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** How texts of options are read. Each refuses by an {@link IllegalArgumentException}. */
final class Parse {
  private static final Pattern DURATION = Pattern.compile("(\\d{1,9})\\s*([a-zA-Z]*)");
  private static final Pattern TOPIC = Pattern.compile("[a-zA-Z0-9._-]{1,249}");

  private Parse() {}

  static Duration duration(String text) {
    com.google.re2j.Matcher m = DURATION.matcher(text.trim());
    if (!m.matches()) {
      throw new IllegalArgumentException("no duration");
    }
    long n = Long.parseLong(m.group(1));
    switch (m.group(2).toLowerCase(Locale.ROOT)) {
      case "":
      case "ms":
      case "milli":
      case "millis":
      case "millisecond":
      case "milliseconds":
        return Duration.ofMillis(n);
      case "s":
      case "sec":
      case "secs":
      case "second":
      case "seconds":
        return Duration.ofSeconds(n);
      case "m":
      case "min":
      case "mins":
      case "minute":
      case "minutes":
        return Duration.ofMinutes(n);
      case "h":
      case "hour":
      case "hours":
        return Duration.ofHours(n);
      default:
        throw new IllegalArgumentException("no unit of time");
    }
  }

  static Duration wait(String text) {
    Duration d = duration(text);
    if (d.isZero() || d.compareTo(Duration.ofMinutes(1)) > 0) {
      throw new IllegalArgumentException("out of range");
    }
    return d;
  }

  static String any(String text) {
    return text.trim();
  }

  static String given(String text) {
    if (text.isBlank()) {
      throw new IllegalArgumentException("empty");
    }
    return text.trim();
  }

  static String topic(String text) {
    if (!TOPIC.matches(text)) {
      throw new IllegalArgumentException("no topic");
    }
    return text;
  }

  static String topicOrNone(String text) {
    return text.isEmpty() ? text : topic(text);
  }

  static Pattern expression(String text) {
    return text.isEmpty() ? null : Pattern.compile(text); // its exception is an IllegalArgumentException
  }

  static KeyForm key(String text) {
    for (KeyForm k : KeyForm.values()) {
      if (k.word().equals(text)) {
        return k;
      }
    }
    throw new IllegalArgumentException("no such key");
  }

  static String compression(String text) {
    if (List.of("zstd", "lz4", "none").contains(text)) {
      return text;
    }
    throw new IllegalArgumentException("no such compression");
  }

  static URI url(String text) {
    if (text.isEmpty()) {
      return null;
    }
    URI u;
    try {
      u = new URI(text.endsWith("/") ? text.substring(0, text.length() - 1) : text);
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException("no address", e);
    }
    boolean web = "http".equals(u.getScheme()) || "https".equals(u.getScheme());
    if (!web || u.getHost() == null || u.getRawQuery() != null || u.getRawFragment() != null || u.getRawUserInfo() != null) {
      throw new IllegalArgumentException("no address of a server");
    }
    return u;
  }

  static String secret(String text) {
    if (text.isEmpty() || text.startsWith("env://") || text.startsWith("file:///")) {
      return text;
    }
    throw new IllegalArgumentException("no reference");
  }

  static Path folder(String text) {
    return Path.of(text); // its exception is an IllegalArgumentException
  }

  static List<Double> quantiles(String text) {
    List<Double> out = new ArrayList<>();
    for (String part : text.split(",")) {
      if (part.isBlank() && text.isBlank()) {
        continue;
      }
      double q = new BigDecimal(part.trim()).doubleValue();
      if (q < 0 || q > 1 || out.contains(q)) {
        throw new IllegalArgumentException("out of range");
      }
      out.add(q);
    }
    if (out.size() > 100) {
      throw new IllegalArgumentException("too many");
    }
    return out;
  }
}
