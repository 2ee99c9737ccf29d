package io.github.sluicemetrics.flink.snapshot;

import io.github.sluicemetrics.flink.series.Entry;
import io.github.sluicemetrics.flink.series.Roster;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The values of all metrics at one moment, in memory that the next report uses again. One thread owns a
 * snapshot at a time; {@link Handover} passes it on.
 */
public final class Snapshot {
  /** Statistics of a histogram before its quantiles: window size, smallest, largest, mean, deviation. */
  public static final int STATISTICS = 5;

  private final List<Entry> ended = new ArrayList<>();
  private Roster roster = Roster.EMPTY;
  private long timestamp;
  private long sequence;
  private Form[] forms = new Form[0];
  private long[] wholes = new long[0];
  private double[] numbers = new double[0];
  private String[] texts = new String[0];
  private long[] statistics = new long[0];
  private int used;

  /** Starts over for a list of metrics. What has ended before stays until {@link #clearEnded}. */
  void begin(Roster now, long at, long seq) {
    roster = now;
    timestamp = at;
    sequence = seq;
    used = 0;
    if (forms.length < now.size()) {
      int room = now.size() + now.size() / 4;
      forms = new Form[room];
      wholes = new long[room];
      numbers = new double[room];
      texts = new String[room];
    }
  }

  void none(int i, Form why) {
    forms[i] = why;
  }

  void whole(int i, Form form, long v) {
    forms[i] = form;
    wholes[i] = v;
  }

  void number(int i, double v) {
    forms[i] = Form.NUMBER;
    numbers[i] = v;
  }

  void meter(int i, long count, double rate) {
    forms[i] = Form.RATE;
    wholes[i] = count;
    numbers[i] = rate;
  }

  void text(int i, String v) {
    forms[i] = Form.TEXT;
    texts[i] = v;
  }

  /** Makes room for a histogram and returns where its statistics start. */
  int histogram(int i, long count, int quantiles) {
    int at = used;
    used += STATISTICS + quantiles;
    if (statistics.length < used) {
      statistics = Arrays.copyOf(statistics, Math.max(2 * statistics.length, used));
    }
    forms[i] = Form.STATISTIC;
    wholes[i] = count;
    numbers[i] = at;
    return at;
  }

  void statistic(int at, long v) {
    statistics[at] = v;
  }

  void statistic(int at, double v) {
    statistics[at] = Double.doubleToRawLongBits(v);
  }

  /** Lets go of metrics and texts, which belong to jobs that may end, but not of ends that are still to be told. */
  void release() {
    roster = Roster.EMPTY;
    Arrays.fill(texts, null);
  }

  /** Returns the metrics that the values belong to. */
  public Roster roster() {
    return roster;
  }

  /** Returns the time of the report, Unix milliseconds. */
  public long timestamp() {
    return timestamp;
  }

  /** Returns the number of the report, from 1. */
  public long sequence() {
    return sequence;
  }

  /** Returns the metrics that were removed since the last report that went out. */
  public List<Entry> ended() {
    return ended;
  }

  /** Forgets what has ended: it has been told. */
  public void clearEnded() {
    ended.clear();
  }

  /** Returns what there is of a metric. */
  public Form form(int i) {
    return forms[i];
  }

  /** Returns a count, a whole number, or 0 or 1 for a boolean. */
  public long whole(int i) {
    return wholes[i];
  }

  /** Returns a number, or the rate of a meter. */
  public double number(int i) {
    return numbers[i];
  }

  /** Returns a text. */
  public String text(int i) {
    return texts[i];
  }

  /** Returns a statistic of a histogram that is a whole number: size, smallest, largest. */
  public long wholeStatistic(int i, int which) {
    return statistics[(int) numbers[i] + which];
  }

  /** Returns a statistic of a histogram that is no whole number: mean, deviation, then the quantiles. */
  public double statistic(int i, int which) {
    return Double.longBitsToDouble(statistics[(int) numbers[i] + which]);
  }
}
