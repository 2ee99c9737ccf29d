package io.github.sluicemetrics.flink.record;

import io.github.sluicemetrics.flink.json.JsonBytes;
import io.github.sluicemetrics.flink.series.Entry;
import io.github.sluicemetrics.flink.series.Group;
import io.github.sluicemetrics.flink.series.Held;
import io.github.sluicemetrics.flink.series.Plan;
import io.github.sluicemetrics.flink.series.Roster;
import io.github.sluicemetrics.flink.series.Task;
import io.github.sluicemetrics.flink.snapshot.Snapshot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Turns a snapshot into records: for each group of metrics one, more where it would become too large,
 * then one for each task that says how many there were. For use by the shipping thread.
 */
public final class ReportWriter {
  /** Name of the metric that closes a report. */
  public static final String CLOSING = "_report";

  private final Layout layout;
  private final Planner planner;
  private final Points points;
  private final RecordBuffer buffer;
  private final long period;
  private final Map<Task, byte[]> stamps = new HashMap<>();
  private final Map<String, Closing> closings = new LinkedHashMap<>();
  private final List<Plan> channels = new ArrayList<>();
  private final Map<Group, List<Plan>> ends = new LinkedHashMap<>();
  private String process = "";
  private long timestamp;
  private long sequence;

  /**
   * @param period between two reports, in milliseconds
   */
  public ReportWriter(Layout layout, Planner planner, long period, RecordSink sink) {
    this.layout = layout;
    this.planner = planner;
    this.period = period;
    this.points = new Points(layout.quantiles());
    this.buffer = new RecordBuffer(sink);
  }

  /** Begins a report. */
  public void begin(long at, long seq, String processName) {
    timestamp = at;
    sequence = seq;
    process = processName;
    stamps.clear();
    closings.clear();
  }

  /** Writes the records of a snapshot: first what has ended, then what there is. */
  public void write(Snapshot s) {
    for (Task t : s.roster().tasks()) {
      closing(t);
    }
    for (Entry e : s.ended()) {
      release(e);
      end(e);
    }
    writeEnds();
    Roster roster = s.roster();
    for (int from = 0, to; from < roster.size(); from = to) {
      to = roster.endOfGroup(from);
      group(s, from, to);
    }
    writeEnds();
  }

  /** Has the report closed for a task even if nothing is written for it. */
  public void attend(Task task) {
    closing(task);
  }

  /** Writes the record of what no metric of Flink's tells. */
  public void write(Task task, Extra extra) {
    JsonBytes json = buffer.open(layout.customTopic(), layout.key(task.id(), extra.metric(), process));
    extra.write(buffer, json.raw(stamp(task)));
    closing(task).records += buffer.close();
  }

  /** Ends the report: tells for each task how many records it had. */
  public void close() {
    for (Closing c : closings.values()) {
      JsonBytes json = buffer.open(layout.nativeTopic(), layout.key(c.task.id(), CLOSING, process));
      json.raw(stamp(c.task)).raw(",\"scope\":\"\",\"metric\":\"" + CLOSING + "\",\"type\":\"gauge\",\"n\":");
      json.number(c.records);
      buffer.closePlain();
    }
  }

  private void group(Snapshot s, int from, int to) {
    Roster roster = s.roster();
    channels.clear();
    for (int i = from; i < to; i++) {
      Entry e = roster.entry(i);
      Plan plan = plan(e);
      if (!plan.skip() && Points.sampled(s.form(i))) {
        channel(plan);
      }
    }
    for (int c = 0; c < channels.size(); c++) {
      channel(s, from, to, channels.get(c));
    }
  }

  /** Returns the plan under the rules in force; what is no longer wanted ends. */
  private Plan plan(Entry e) {
    Plan plan = e.plan();
    if (plan == null) {
      plan = planner.plan(e);
      if (plan.skip()) {
        end(e);
      }
      e.hold(null);
      e.plan(plan);
    }
    return plan;
  }

  private void channel(Plan plan) {
    for (int c = 0; c < channels.size(); c++) {
      if (channels.get(c).joins(plan)) {
        return;
      }
    }
    channels.add(plan);
  }

  private void channel(Snapshot s, int from, int to, Plan channel) {
    Roster roster = s.roster();
    Group g = roster.entry(from).group();
    open(g, channel, stamp(g.task()), "");
    for (int i = from; i < to; i++) {
      Entry e = roster.entry(i);
      Plan plan = e.plan();
      if (plan == null || plan.skip() || !channel.joins(plan) || !Points.sampled(s.form(i))) {
        continue;
      }
      points.write(buffer.point(), plan.rendering().point(), s, i);
      if (plan.step().passes(timestamp, period)) {
        buffer.endPoint();
        e.open(true);
        e.hold(null);
      } else {
        byte[] point = buffer.cancelPoint();
        e.hold(plan.step().holds() ? new Held(timestamp, point) : null);
      }
    }
    closing(g.task()).records += buffer.close();
  }

  /** Sends the sample of a metric that is gone which was held back for a later one, with its own time. */
  private void release(Entry e) {
    Held held = e.held();
    if (held == null) {
      return;
    }
    Task task = e.group().task();
    open(e.group(), e.lastPlan(), stamp(task, held.timestamp()), "");
    buffer.point().raw(held.point());
    buffer.endPoint();
    closing(task).records += buffer.close();
    e.hold(null);
    e.open(true);
  }

  /** Notes that a metric ends as it was sent last; the plan for that may change before it is told. */
  private void end(Entry e) {
    if (e.open()) {
      ends.computeIfAbsent(e.group(), g -> new ArrayList<>()).add(e.lastPlan());
      e.open(false);
    }
  }

  private void writeEnds() {
    ends.forEach((g, list) -> {
      channels.clear();
      list.forEach(this::channel);
      for (Plan channel : channels) {
        open(g, channel, stamp(g.task()), ",\"end\":true");
        for (Plan plan : list) {
          if (channel.joins(plan)) {
            Points.writeEnd(buffer.point(), plan.rendering().point());
            buffer.endPoint();
          }
        }
        closing(g.task()).records += buffer.close();
      }
    });
    ends.clear();
  }

  private void open(Group g, Plan channel, byte[] stamp, String mark) {
    JsonBytes json = buffer.open(channel.topic(), layout.key(g.task().id(), g.metric(), process));
    json.raw(stamp);
    if (!channel.origin().isEmpty()) {
      json.raw(",\"origin\":").text(channel.origin());
    }
    json.raw(",\"scope\":").text(g.scope()).raw(",\"metric\":").text(g.metric());
    json.raw(",\"type\":\"").raw(g.kind().word()).raw("\",\"labels\":").raw(channel.rendering().record());
    json.raw(mark);
    buffer.startPoints();
  }

  private byte[] stamp(Task task) {
    return stamps.computeIfAbsent(task, t -> stamp(t, timestamp));
  }

  /** Returns what all records of a task begin with. */
  private byte[] stamp(Task task, long at) {
    return new JsonBytes(160)
        .raw("{\"v\":1,\"torrent_task_id\":").text(task.id())
        .raw(",\"report_timestamp\":").number(at)
        .raw(",\"rid\":\"").raw(layout.rid())
        .raw("\",\"seq\":").number(sequence)
        .raw(",\"cv\":").number(task.rules().version())
        .toBytes();
  }

  private Closing closing(Task task) {
    return closings.computeIfAbsent(task.id(), id -> new Closing(task));
  }

  /** The records so far of one torrent_task_id. */
  private static final class Closing {
    private final Task task;
    private long records;

    Closing(Task task) {
      this.task = task;
    }
  }
}
