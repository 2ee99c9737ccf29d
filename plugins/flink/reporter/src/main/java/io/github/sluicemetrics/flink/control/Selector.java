package io.github.sluicemetrics.flink.control;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/** The conditions of a match: all must hold. A condition that is not understood holds perhaps. Immutable. */
final class Selector {
  /** A condition on a series and on the tags of its task, which are null when they are not known. */
  private interface Condition extends BiFunction<Subject, Map<String, String>, Answer> {}

  private final List<Condition> conditions = new ArrayList<>();

  /**
   * @param match an object of the document, or null for no conditions
   */
  Selector(Object match) {
    if (match == null) {
      return;
    }
    if (!(match instanceof Map)) {
      conditions.add((x, tags) -> Answer.PERHAPS);
      return;
    }
    ((Map<?, ?>) match).forEach((name, json) -> conditions.add(condition((String) name, json)));
  }

  Answer match(Subject x, Map<String, String> tags) {
    Answer all = Answer.YES;
    for (Condition c : conditions) {
      all = all.and(c.apply(x, tags));
      if (all == Answer.NO) {
        return all;
      }
    }
    return all;
  }

  private static Condition condition(String name, Object json) {
    if (name.equals("labels") || name.equals("tags")) {
      return byName(name.equals("tags"), json);
    }
    List<String> list = json == null ? null : Members.strings(json);
    if (list == null) {
      return (x, tags) -> Answer.PERHAPS;
    }
    Patterns ps = new Patterns(list);
    switch (name) {
      case "metrics":
        return (x, tags) -> ps.match(x.series());
      case "kinds":
        return (x, tags) -> Answer.of(list.contains(x.kind()));
      case "origin":
        return (x, tags) -> x.origin().isEmpty() ? Answer.PERHAPS : Answer.of(list.contains(x.origin()));
      case "tasks":
        return (x, tags) -> about(ps, x.task(), x.job());
      default:
        return (x, tags) -> Answer.PERHAPS;
    }
  }

  /** Reports whether patterns select a task by its id or by the name of its job. */
  static Answer about(Patterns ps, String task, String job) {
    Answer a = ps.match(task);
    return job.isEmpty() ? a : a.or(ps.match(job));
  }

  private static Condition byName(boolean isTag, Object json) {
    if (!(json instanceof Map)) {
      return (x, tags) -> Answer.PERHAPS;
    }
    List<Condition> all = new ArrayList<>();
    for (Map.Entry<?, ?> e : ((Map<?, ?>) json).entrySet()) {
      List<String> list = Members.strings(e.getValue());
      if (list == null) {
        return (x, tags) -> Answer.PERHAPS;
      }
      Patterns ps = new Patterns(list);
      String name = (String) e.getKey();
      all.add(isTag ? (x, tags) -> tag(tags, name, ps) : (x, tags) -> ps.match(x.label(name)));
    }
    return (x, tags) -> {
      Answer a = Answer.YES;
      for (Condition c : all) {
        a = a.and(c.apply(x, tags));
      }
      return a;
    };
  }

  /** Reports whether a tag has a value that matches. */
  static Answer tag(Map<String, String> tags, String name, Patterns ps) {
    return tags == null ? Answer.PERHAPS : ps.match(tags.getOrDefault(name, ""));
  }
}
