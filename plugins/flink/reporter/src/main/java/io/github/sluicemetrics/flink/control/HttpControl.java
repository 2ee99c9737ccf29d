package io.github.sluicemetrics.flink.control;

import io.github.sluicemetrics.flink.pace.QuietLog;
import io.github.sluicemetrics.flink.series.Task;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Rules by HTTP: for each task of the process a request that the server answers when the task's document
 * changes. Polls begin and end with the tasks.
 */
public final class HttpControl implements Control {
  private static final Logger LOG = LoggerFactory.getLogger(HttpControl.class);

  /** More tasks in one process than this go without control: each costs a request that hangs. */
  static final int MAX_POLLS = 256;

  private final URI base;
  private final Duration wait;
  private final Fetcher fetcher;
  private final DocumentStore store;
  private final Timer timer;
  private final LongSupplier nanos;
  private final DoubleSupplier random;
  private final Runnable atEnd;
  private final QuietLog complaints;
  private final Map<List<String>, Poll> polls = new HashMap<>();
  private boolean full;
  private boolean closed;

  /**
   * @param base address of the server, without a slash at the end
   * @param wait how long the server may hold a request
   * @param random numbers from 0 to 1
   * @param atEnd lets go of what the others need
   */
  public HttpControl(
      URI base, Duration wait, Fetcher fetcher, DocumentStore store, Timer timer, LongSupplier nanos, DoubleSupplier random,
      Runnable atEnd) {
    this.base = base;
    this.wait = wait;
    this.fetcher = fetcher;
    this.store = store;
    this.timer = timer;
    this.nanos = nanos;
    this.random = random;
    this.atEnd = atEnd;
    this.complaints = new QuietLog(LOG, Duration.ofMinutes(1), nanos);
  }

  @Override
  public synchronized void attend(List<Task> tasks) {
    if (closed) {
      return; // last reports go by the last rules
    }
    Set<List<String>> live = new HashSet<>();
    for (Task t : tasks) {
      List<String> key = List.of(t.id(), t.job());
      live.add(key);
      Poll p = polls.get(key);
      if (p == null && polls.size() < MAX_POLLS) {
        p = new Poll(address(t), wait, fetcher, store, timer, nanos, random, complaints);
        polls.put(key, p);
        p.begin();
      } else if (p == null && !full) {
        full = true;
        LOG.warn("this process has more than {} tasks: the others are not controlled at the source", MAX_POLLS);
      }
      if (p != null) {
        t.obey(p.rules());
      }
    }
    polls.entrySet().removeIf(e -> {
      boolean gone = !live.contains(e.getKey());
      if (gone) {
        e.getValue().end();
      }
      return gone;
    });
  }

  private URI address(Task t) {
    String query = (t.job().isEmpty() ? "" : "job=" + encode(t.job()) + "&") + "wait=" + duration(wait);
    return URI.create(base + "/api/v1/collect/" + encode(t.id()) + "?" + query);
  }

  private static String duration(Duration d) {
    return d.toMillis() % 1000 == 0 ? d.toSeconds() + "s" : d.toMillis() + "ms";
  }

  private static String encode(String s) {
    return URLEncoder.encode(s, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /** Returns the age of what was heard longest ago. */
  @Override
  public synchronized long age() {
    long oldest = 0;
    for (Poll p : polls.values()) {
      oldest = Math.max(oldest, p.age());
    }
    return oldest;
  }

  @Override
  public synchronized void close() {
    closed = true;
    polls.values().forEach(Poll::end);
    polls.clear();
    atEnd.run();
  }
}
