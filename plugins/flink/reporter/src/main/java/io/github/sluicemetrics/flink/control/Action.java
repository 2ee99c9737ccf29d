package io.github.sluicemetrics.flink.control;

import com.google.re2j.Pattern;

/** What a rule does with a series that it decides about. */
abstract class Action {
  /** Sends the series with all its labels: for all that is not understood. */
  static final Action SEND = new Action() {};

  private static final Action KEEP = new Action() {
    @Override
    boolean bare() {
      return true;
    }
  };

  private static final Action DROP = new Action() {
    @Override
    Step step(Subject x) {
      return null;
    }
  };

  private static final Pattern TOPIC = Pattern.compile("[a-zA-Z0-9._-]{1,249}");

  /** Returns what is left to decide in each report, null when nothing of the series is sent. */
  Step step(Subject x) {
    return Step.ALWAYS;
  }

  /** Returns the topic, "" for the usual one. */
  String topic() {
    return "";
  }

  /** Reports whether labels may be left out. */
  boolean bare() {
    return false;
  }

  /** Reads what a rule of the document does. */
  static Action of(Members rule) {
    switch (rule.text("do")) {
      case "drop":
        return DROP;
      case "keep":
        return KEEP;
      case "sample":
        return sample(rule);
      case "thin":
        return thin(rule.whole("every_ms"), rule.text("pick"));
      case "topic":
        return topic(rule.text("topic"));
      default:
        return SEND;
    }
  }

  /** Returns what decides where no rule does. */
  static Action unruled() {
    return KEEP;
  }

  private static Action sample(Members rule) {
    long share;
    try {
      share = Long.parseUnsignedLong(rule.text("share"));
    } catch (NumberFormatException e) {
      return SEND;
    }
    boolean bySeries = rule.text("by").equals("series");
    if (!bySeries && !rule.text("by").equals("record")) {
      return SEND;
    }
    return new Action() {
      @Override
      Step step(Subject x) {
        long hash = SeriesHash.of(x);
        if (bySeries) {
          return Long.compareUnsigned(hash, share) < 0 ? Step.ALWAYS : null;
        }
        return (at, period) -> Long.compareUnsigned(SeriesHash.mix(hash ^ SeriesHash.mix(at)), share) < 0;
      }

      @Override
      boolean bare() {
        return true;
      }
    };
  }

  private static Action thin(long every, String pick) {
    if (every <= 0 || !pick.equals("first") && !pick.equals("last")) {
      return SEND;
    }
    return new Action() {
      @Override
      Step step(Subject x) {
        return pick.equals("first") ? new ThinFirst(every) : new ThinLast(every);
      }
    };
  }

  private static Action topic(String name) {
    if (!TOPIC.matches(name)) {
      return SEND;
    }
    return new Action() {
      @Override
      String topic() {
        return name;
      }

      @Override
      boolean bare() {
        return true;
      }
    };
  }
}
