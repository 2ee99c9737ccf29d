package io.github.sluicemetrics.flink.record;

import io.github.sluicemetrics.flink.json.JsonBytes;
import io.github.sluicemetrics.flink.snapshot.Form;
import io.github.sluicemetrics.flink.snapshot.Snapshot;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Writes the values of points. */
final class Points {
  private static final String[] STATISTICS = {",\"n\":", ",\"min\":", ",\"max\":", ",\"mean\":", ",\"sd\":"};
  private static final int WHOLE_STATISTICS = 3;

  private final List<byte[]> quantiles = new ArrayList<>();

  Points(List<Double> quantiles) {
    for (double q : quantiles) {
      String before = this.quantiles.isEmpty() ? ",\"q\":{\"" : ",\"";
      String key = new JsonBytes(8).number(q).toString();
      this.quantiles.add((before + key + "\":").getBytes(StandardCharsets.US_ASCII));
    }
  }

  /** Reports whether a snapshot has a sample of a metric. */
  static boolean sampled(Form form) {
    return form != Form.NONE && form != Form.UNWANTED && form != Form.FAILED;
  }

  /**
   * Writes a point.
   *
   * @param head the brace and fields before the value, see {@link
   *     io.github.sluicemetrics.flink.series.Site.Rendering#point}
   */
  void write(JsonBytes out, byte[] head, Snapshot s, int i) {
    out.raw(head);
    switch (s.form(i)) {
      case COUNT:
        out.raw("\"c\":").number(s.whole(i));
        break;
      case WHOLE:
        out.raw("\"v\":").number(s.whole(i));
        break;
      case NUMBER:
        out.raw("\"v\":").number(s.number(i));
        break;
      case BOOLEAN:
        out.raw("\"b\":").raw(s.whole(i) != 0 ? "true" : "false");
        break;
      case TEXT:
        out.raw("\"t\":").text(s.text(i));
        break;
      case RATE:
        out.raw("\"c\":").number(s.whole(i)).raw(",\"r\":").number(s.number(i));
        break;
      case STATISTIC:
        histogram(out, s, i);
        break;
      default:
        throw new IllegalArgumentException("no sample: " + s.form(i));
    }
    out.raw('}');
  }

  private void histogram(JsonBytes out, Snapshot s, int i) {
    out.raw("\"c\":").number(s.whole(i));
    for (int k = 0; k < STATISTICS.length; k++) {
      out.raw(STATISTICS[k]);
      if (k < WHOLE_STATISTICS) {
        out.number(s.wholeStatistic(i, k));
      } else {
        out.number(s.statistic(i, k));
      }
    }
    for (int q = 0; q < quantiles.size(); q++) {
      out.raw(quantiles.get(q)).number(s.statistic(i, Snapshot.STATISTICS + q));
    }
    if (!quantiles.isEmpty()) {
      out.raw('}');
    }
  }

  /** Writes a point that says only which series it is about. */
  static void writeEnd(JsonBytes out, byte[] head) {
    out.raw(head);
    if (head.length > 1) {
      out.truncate(out.length() - 1);
    }
    out.raw('}');
  }
}
