package io.github.sluicemetrics.flink.control;

import java.util.List;
import java.util.Map;

/** What a rule is about: its match, its exception, and the team whose tasks it sees. Immutable. */
final class Scope {
  static final String TEAM = "team";

  private final Selector match;
  private final Selector unless;
  private final Patterns team;

  /** Reads the scope of a rule of the document. */
  Scope(Members rule) {
    match = new Selector(rule.any("match"));
    unless = rule.any("unless") == null ? null : new Selector(rule.any("unless"));
    String only = rule.text(TEAM);
    team = only.isEmpty() ? null : new Patterns(List.of(only));
  }

  /**
   * @param tags of the task, null when they are not known
   */
  Answer about(Subject x, Map<String, String> tags) {
    Answer a = match.match(x, tags);
    if (team != null) {
      a = a.and(Selector.tag(tags, TEAM, team));
    }
    return unless == null || a == Answer.NO ? a : a.and(unless.match(x, tags).not());
  }
}
