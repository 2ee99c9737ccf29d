package io.github.sluicemetrics.flink.event;

import io.github.sluicemetrics.flink.kafka.Connecting;
import io.github.sluicemetrics.flink.kafka.Drop;
import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.kafka.Transport;
import io.github.sluicemetrics.flink.pace.Backoff;
import io.github.sluicemetrics.flink.record.RecordSink;
import io.github.sluicemetrics.flink.record.ReportWriter;
import io.github.sluicemetrics.flink.series.Task;
import io.github.sluicemetrics.flink.series.TaskIds;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends events as they come. While Kafka cannot be reached they wait, up to a number; what comes then is
 * dropped and counted. Each event is a report of its own.
 */
public final class EventShipper implements RecordSink {
  private static final Logger LOG = LoggerFactory.getLogger(EventShipper.class);
  private static final int MAX_WAITING = 10_000;

  /** Jobs whose counts are kept; the one not seen for longest is forgotten first. */
  static final int MAX_JOBS = 1000;

  private final BlockingQueue<Occurrence> waiting = new ArrayBlockingQueue<>(MAX_WAITING);
  private final Map<String, JobEvents> jobs =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, JobEvents> eldest) {
          return size() > MAX_JOBS;
        }
      };

  private final TaskIds ids;
  private final Transport transport;
  private final Tally tally;
  private final String topic;
  private final Backoff looking = Connecting.looking();
  private ReportWriter writer;
  private volatile boolean closed;
  private long sequence;
  private long told;

  /**
   * @param topic that must be known before anything is sent
   */
  public EventShipper(TaskIds ids, Transport transport, Tally tally, String topic) {
    this.ids = ids;
    this.transport = transport;
    this.tally = tally;
    this.topic = topic;
  }

  /** Sets what makes the records; it must give them to this. */
  public void writer(ReportWriter w) {
    writer = w;
  }

  /** Takes an event, without waiting. */
  public void offer(Occurrence o) {
    if (!waiting.offer(o)) {
      tally.dropped(Drop.BUFFER);
    }
  }

  /** Ships until the end. */
  public void run() {
    try {
      while (!closed) {
        Occurrence o = waiting.poll(looking.pause().toMillis(), TimeUnit.MILLISECONDS);
        boolean ready = ready(); // even without an event: the first one must not wait for a connection
        if (o == null) {
          continue;
        }
        while (!ready && !closed) {
          TimeUnit.MILLISECONDS.sleep(looking.pause().toMillis());
          ready = ready();
        }
        complain();
        ship(o);
      }
      for (Occurrence o = waiting.poll(); o != null; o = waiting.poll()) {
        ship(o);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean ready() {
    boolean ready = transport.ready(topic);
    if (ready) {
      looking.reset();
    }
    looking.failed();
    return ready;
  }

  /** Says how many events found no place to wait, once Kafka is there again. */
  private void complain() {
    long lost = tally.lost(Drop.BUFFER);
    if (lost > told) {
      LOG.warn("{} events were dropped: too many waited for Kafka", lost - told);
      told = lost;
    }
  }

  /** Sends an event. */
  void ship(Occurrence o) {
    try {
      Map<String, String> variables = o.variables();
      Task task = new Task(ids.of(variables), ids.job(variables));
      String job = variables.getOrDefault("<job_id>", "");
      JobEvents events = jobs.computeIfAbsent(job, k -> new JobEvents(variables));
      writer.begin(o.timestamp(), ++sequence, variables.getOrDefault("<host>", ""));
      events.take(o).forEach(e -> writer.write(task, e));
      writer.close();
    } catch (RuntimeException | LinkageError e) {
      tally.dropped(Drop.ENCODE);
      LOG.warn("an event could not be written and is dropped", e);
    }
  }

  @Override
  public void accept(String to, byte[] key, byte[] value) {
    transport.send(to, key, value);
  }

  @Override
  public void tooLarge() {
    tally.dropped(Drop.TOO_LARGE);
  }

  /** Lets {@link #run} come to its end. */
  public void end() {
    closed = true;
  }

  /** Sends what is left for at most a time, after {@link #run} has ended. */
  public void close(Duration most) {
    transport.close(most);
  }
}
