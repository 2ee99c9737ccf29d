package io.github.sluicemetrics.flink.ship;

import io.github.sluicemetrics.flink.control.Control;
import io.github.sluicemetrics.flink.kafka.Connecting;
import io.github.sluicemetrics.flink.kafka.Drop;
import io.github.sluicemetrics.flink.kafka.Tally;
import io.github.sluicemetrics.flink.kafka.Transport;
import io.github.sluicemetrics.flink.pace.Backoff;
import io.github.sluicemetrics.flink.record.RecordSink;
import io.github.sluicemetrics.flink.record.ReportWriter;
import io.github.sluicemetrics.flink.series.Roster;
import io.github.sluicemetrics.flink.series.Site;
import io.github.sluicemetrics.flink.series.Task;
import io.github.sluicemetrics.flink.snapshot.Handover;
import io.github.sluicemetrics.flink.snapshot.Snapshot;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ships snapshots: waits for one, turns it into records and sends them. While Kafka cannot be reached the
 * snapshot stays where the next report replaces it.
 */
public final class Shipper implements RecordSink {
  private static final Logger LOG = LoggerFactory.getLogger(Shipper.class);

  /** Labels of a process. */
  private static final List<String> PLACE = List.of("host", "tm_id");

  private final Handover handover;
  private final Transport transport;
  private final Tally tally;
  private final List<String> topics;
  private final Control control;
  private final SelfMetrics self;
  private final Map<String, String> place = new LinkedHashMap<>();
  private final Topics settling;
  private final Backoff looking = Connecting.looking();
  private ReportWriter writer;

  /**
   * @param topics of which one must be known before a report is sent
   * @param control gives tasks their rules
   * @param name tells this reporter from others of the process
   */
  public Shipper(
      Handover handover, Transport transport, Tally tally, List<String> topics, Control control, SelfMetrics self, String name) {
    this.handover = handover;
    this.transport = transport;
    this.tally = tally;
    this.topics = topics;
    this.control = control;
    this.self = self;
    settling = new Topics(transport, handover, System::nanoTime);
    place.put("reporter", name);
  }

  /** Sets what makes the records; it must give them to this. */
  public void writer(ReportWriter w) {
    writer = w;
  }

  /** Ships until the handover is closed. */
  public void run() {
    try {
      while (!handover.closed()) {
        handover.await();
        if (step()) {
          looking.reset();
        } else {
          looking.failed();
          handover.pause(looking.pause().toMillis());
        }
      }
      step();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ships the snapshot there is, if any; false says that it has to wait. */
  public boolean step() {
    if (!reachable()) {
      return false;
    }
    Snapshot s = handover.take();
    if (s == null) {
      return true;
    }
    try {
      ship(s);
    } catch (RuntimeException | LinkageError e) {
      tally.dropped(Drop.ENCODE);
      LOG.warn("a report could not be written and is dropped", e);
    } finally {
      s.clearEnded();
      handover.giveBack(s);
    }
    return true;
  }

  private boolean reachable() {
    for (String topic : topics) {
      if (transport.ready(topic)) {
        return true;
      }
    }
    return false;
  }

  private void ship(Snapshot s) {
    Roster roster = s.roster();
    settling.begin();
    learn(roster);
    Task process = process(roster);
    writer.begin(s.timestamp(), s.sequence(), place.getOrDefault("tm_id", place.getOrDefault("host", "")));
    writer.write(s);
    writer.attend(process);
    if (!process.rules().off(process.id(), process.job())) {
      self.write(writer, process, roster.size(), place);
    }
    writer.close();
  }

  /** Gives all tasks their rules and returns the one that the process itself is. */
  private Task process(Roster roster) {
    List<Task> tasks = new ArrayList<>(Arrays.asList(roster.tasks()));
    for (Task t : tasks) {
      if (t.id().equals(self.process().id()) && t.job().isEmpty()) {
        control.attend(tasks);
        return t;
      }
    }
    tasks.add(self.process());
    control.attend(tasks);
    return self.process();
  }

  /** Finds out where the process runs: only metrics know. */
  private void learn(Roster roster) {
    for (int i = 0; i < roster.size() && !place.containsKey("host"); i++) {
      Site site = roster.entry(i).site();
      for (String name : PLACE) {
        if (!site.common(name).isEmpty()) {
          place.put(name, site.common(name));
        }
      }
    }
  }

  @Override
  public void accept(String topic, byte[] key, byte[] value) {
    try {
      settling.settle(topic);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    transport.send(topic, key, value);
  }

  @Override
  public void tooLarge() {
    tally.dropped(Drop.TOO_LARGE);
  }

  /** Has what was sent delivered for at most a time, then lets go. */
  public void close(Duration most) {
    transport.close(most);
  }
}
