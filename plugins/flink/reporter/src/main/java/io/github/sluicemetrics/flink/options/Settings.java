package io.github.sluicemetrics.flink.options;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * The options of one reporter with their values. What is wrong is told in one line each and then stands
 * at its default: a mistake in a configuration never stops Flink. Immutable.
 */
public final class Settings {
  private static final Duration INTERVAL = Duration.ofSeconds(10);

  /** What belongs to Flink: keys, and beginnings of keys that end in a dot. */
  private static final List<String> FLINKS =
      List.of("factory.class", "class", "interval", "filter.", "scope.", "additional.");

  /** Producer options that the reporter's promises rest on. */
  private static final List<String> FIXED =
      List.of("bootstrap.servers", "compression.type", "key.serializer", "value.serializer", "max.block.ms", "transactional.id");

  /** Parts of the names of options whose values are not logged, wrong as they may be. */
  private static final List<String> SECRETS = List.of("password", "secret", "token", "jaas", "credential", "private", "ssl.key");

  private final Map<Option<?>, Object> values = new HashMap<>();
  private final Map<String, String> producer = new TreeMap<>();
  private final Duration interval;
  private final UnaryOperator<String> environment;

  private Settings(Duration interval, UnaryOperator<String> environment) {
    this.interval = interval;
    this.environment = environment;
  }

  /**
   * Reads the options of a reporter.
   *
   * @param environment the environment variables, null for one that is not set
   * @param problems told each thing that is wrong, in one line
   */
  public static Settings read(Properties given, UnaryOperator<String> environment, Consumer<String> problems) {
    Map<String, String> rest = texts(given);
    Settings s = new Settings(interval(rest.get("interval")), environment);
    for (Option<?> o : Options.ALL) {
      s.values.put(o, s.value(o, rest.remove(o.name()), problems));
    }
    for (String key : new TreeSet<>(rest.keySet())) {
      s.other(key, rest.get(key), problems);
    }
    if (s.get(Options.BOOTSTRAP).isEmpty()) {
      problems.accept("option bootstrap.servers is not set: nothing is reported. Allowed: " + Options.BOOTSTRAP.allowed());
    }
    if (s.get(Options.CONTROL_URL) != null && !s.get(Options.CONTROL_TOPIC).isEmpty()) {
      problems.accept("options control.url and control.topic are both set: control.topic is ignored. Allowed: one of them");
      s.values.put(Options.CONTROL_TOPIC, "");
    }
    return s;
  }

  /** Returns all values as text: a configuration in YAML may give numbers, durations and lists as such. */
  private static Map<String, String> texts(Properties given) {
    Map<String, String> out = new TreeMap<>();
    for (String key : given.stringPropertyNames()) {
      out.put(key, given.getProperty(key));
    }
    given.forEach((key, value) -> {
      if (value instanceof Collection) {
        out.put(key.toString(), ((Collection<?>) value).stream().map(String::valueOf).collect(Collectors.joining(",")));
      } else {
        out.put(key.toString(), value instanceof Duration ? ((Duration) value).toMillis() + " ms" : value.toString());
      }
    });
    return out;
  }

  private static Duration interval(String text) {
    try {
      Duration d = text == null ? INTERVAL : Parse.duration(text);
      return d.isZero() ? INTERVAL : d;
    } catch (IllegalArgumentException e) {
      return INTERVAL; // Flink has read it and says so
    }
  }

  private <T> T value(Option<T> o, String text, Consumer<String> problems) {
    if (text != null) {
      try {
        return o.parse(text.trim());
      } catch (RuntimeException e) {
        String instead = o.fallback().isEmpty() ? "nothing" : o.fallback();
        problems.accept("option " + o.name() + " is " + shown(o.name(), text) + ": " + e.getMessage() + ". Allowed: " + o.allowed()
            + ". Taken instead: " + instead);
      }
    }
    return o.parse(o.fallback());
  }

  /** Returns a value as a log may have it. */
  private static String shown(String key, String value) {
    String k = key.toLowerCase(Locale.ROOT);
    boolean secret = SECRETS.stream().anyMatch(k::contains) || value.contains("://") && value.contains("@");
    return secret ? "******" : '"' + value + '"';
  }

  private void other(String key, String value, Consumer<String> problems) {
    if (key.startsWith(Options.PRODUCER)) {
      String name = key.substring(Options.PRODUCER.length());
      if (FIXED.contains(name)) {
        problems.accept("option " + key + " is " + shown(key, value) + ": it cannot be set. Allowed: any other option of Kafka's producer");
      } else {
        producer.put(name, value);
      }
    } else if (FLINKS.stream().noneMatch(f -> f.endsWith(".") ? key.startsWith(f) : key.equals(f))) {
      problems.accept("option " + key + " is " + shown(key, value) + ": there is no such option. Allowed: see the reporter's README");
    }
  }

  /** Returns the value of an option. */
  @SuppressWarnings("unchecked") // values are put in by parsers of their option
  public <T> T get(Option<T> o) {
    return (T) values.get(o);
  }

  /** Returns what is set for Kafka's producer beside the reporter's own choice. */
  public Map<String, String> producer() {
    return producer;
  }

  /** Returns the time between two reports. */
  public Duration interval() {
    return interval;
  }

  /** Returns the id of everything in this process, "" for none. */
  public String fixedTaskId() {
    String id = get(Options.TASK_ID);
    if (!id.isEmpty()) {
      return id;
    }
    String found = environment.apply(get(Options.TASK_ID_ENV));
    return found == null ? "" : found.trim();
  }

  /** Returns the id of what belongs to no job. */
  public String clusterId() {
    String id = get(Options.CLUSTER_ID);
    return id.isEmpty() ? host() : id;
  }

  /** Returns what tells this reporter from another one of the process. */
  public String name() {
    String name = get(Options.NAME);
    return name.isEmpty() ? interval.toMillis() % 1000 == 0 ? interval.toSeconds() + "s" : interval.toMillis() + "ms" : name;
  }

  /** Returns where the last good control document is kept. */
  public Path controlDir() {
    Path dir = get(Options.CONTROL_DIR);
    return dir.toString().isEmpty() ? Path.of(System.getProperty("java.io.tmpdir")) : dir;
  }

  /** Returns an environment variable, or null. */
  public String environment(String name) {
    return environment.apply(name);
  }

  private static String host() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return "localhost";
    }
  }
}
