package io.github.sluicemetrics.flink.pace;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import org.slf4j.Logger;

/**
 * Where Kafka's classes in the finished jar get their loggers: its build puts this class in the place of
 * slf4j's LoggerFactory. A client whose brokers are away says so with each attempt, several times a
 * second, and no option of its own changes that: here the same message is written once in a while. Other
 * classes get their loggers as they are.
 */
public final class KafkaLoggers {
  private static final String KAFKA = "io.github.sluicemetrics.flink.shaded.kafka.";
  private static final Duration EVERY = Duration.ofMinutes(1);
  /** How many messages are told apart; above that they count as one. */
  private static final int MOST = 256;
  private static final Set<String> LIMITED = Set.of("info", "warn", "error");
  private static final Map<String, Long> WRITTEN = new ConcurrentHashMap<>();

  private KafkaLoggers() {}

  /** Returns the logger of a class. */
  public static Logger getLogger(Class<?> type) {
    return getLogger(type.getName());
  }

  /** Returns the logger of a name. */
  public static Logger getLogger(String name) {
    Logger logger = slf4j(name);
    return name.startsWith(KAFKA) ? limited(logger, WRITTEN, System::nanoTime) : logger;
  }

  private static Logger slf4j(String name) {
    try {
      // Written out, the name would be replaced by that of this class.
      Class<?> factory = Class.forName(Logger.class.getName() + "Factory");
      return (Logger) factory.getMethod("getLogger", String.class).invoke(null, name);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("slf4j gives no loggers", e);
    }
  }

  /**
   * Returns a logger that writes a message at info, warn or error at most once a minute.
   *
   * @param written when which message was written last, shared by loggers
   */
  static Logger limited(Logger logger, Map<String, Long> written, LongSupplier nanos) {
    return (Logger)
        Proxy.newProxyInstance(
            Logger.class.getClassLoader(), new Class<?>[] {Logger.class},
            (proxy, method, arguments) -> {
              if (limits(method) && !due(message(arguments), written, nanos.getAsLong())) {
                return null;
              }
              try {
                return method.invoke(logger, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static boolean limits(Method method) {
    return LIMITED.contains(method.getName());
  }

  /** Returns the text before its values are filled in. */
  private static String message(Object[] arguments) {
    for (Object a : arguments) { // a marker may stand before it
      if (a instanceof String) {
        return (String) a;
      }
    }
    return "";
  }

  private static boolean due(String message, Map<String, Long> written, long now) {
    String key = written.size() < MOST || written.containsKey(message) ? message : "";
    boolean[] due = {false};
    written.compute(
        key,
        (k, last) -> {
          due[0] = last == null || now - last >= EVERY.toNanos();
          return due[0] ? Long.valueOf(now) : last;
        });
    return due[0];
  }
}
