package io.github.sluicemetrics.flink.control;

import io.github.sluicemetrics.flink.json.JsonReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A control document: what a reporter may leave out because Sluice would drop it all the same. What it
 * does not understand it sends. Safe for use by several threads.
 */
public final class Rules {
  /** No document: everything is sent. */
  public static final Rules NONE = new Rules(0, List.of(), List.of(), List.of());

  private static final long FORMAT = 1;

  /** Tasks remembered at most: in a session cluster they come and go while a document stays. */
  private static final int MAX_KNOWN = 1000;

  /** Labels that records have fields for, and by which tasks are selected. */
  private static final Set<String> KEPT = Set.of("job_name", "subtask_index", "task_attempt_num", "torrent_task_id");

  private final long version;
  private final List<TaskEntry> tasks;
  private final List<Rule> rules;
  private final List<LabelRule> labels;
  private final Map<List<String>, About> known = new ConcurrentHashMap<>();

  private Rules(long version, List<TaskEntry> tasks, List<Rule> rules, List<LabelRule> labels) {
    this.version = version;
    this.tasks = tasks;
    this.rules = rules;
    this.labels = labels;
  }

  /**
   * Reads a document.
   *
   * @throws IllegalArgumentException when it is damaged, or of a format of another time
   */
  public static Rules parse(byte[] document) {
    try {
      Members d = Members.of(JsonReader.read(document));
      if (d.whole("v") != FORMAT) {
        throw new IllegalArgumentException("format " + d.any("v") + " is not known");
      }
      List<TaskEntry> tasks = new ArrayList<>();
      List<Rule> rules = new ArrayList<>();
      List<LabelRule> labels = new ArrayList<>();
      d.objects("tasks").forEach(m -> tasks.add(new TaskEntry(m)));
      d.objects("rules").forEach(m -> rules.add(new Rule(m)));
      d.objects("labels").forEach(m -> labels.add(new LabelRule(m)));
      return new Rules(d.whole("cv"), tasks, rules, labels);
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException("a number is out of range", e);
    }
  }

  /** Returns the control version, 0 for no document. */
  public long version() {
    return version;
  }

  /** Reports whether a task sends nothing at all. */
  public boolean off(String task, String job) {
    return about(task, job).off;
  }

  /**
   * Decides about a series.
   *
   * @param names the names of its labels as records have them
   */
  public Verdict decide(Subject x, Iterable<String> names) {
    About about = about(x.task(), x.job());
    if (about.off) {
      return Verdict.SKIP;
    }
    Action action = action(x, about.tags);
    Step step = action.step(x);
    if (step == null) {
      return Verdict.SKIP;
    }
    Set<String> dropped = action.bare() ? dropped(x, about.tags, names) : Set.of();
    if (step == Step.ALWAYS && action.topic().isEmpty() && dropped.isEmpty()) {
      return Verdict.SEND;
    }
    return new Verdict(false, step, action.topic(), dropped);
  }

  /** Returns what the first rule does that matches, and send where that is not sure. */
  private Action action(Subject x, Map<String, String> tags) {
    for (Rule r : rules) {
      switch (r.scope.about(x, tags)) {
        case YES:
          return r.action;
        case PERHAPS:
          return Action.SEND;
        default:
      }
    }
    return Action.unruled();
  }

  private Set<String> dropped(Subject x, Map<String, String> tags, Iterable<String> names) {
    Set<String> out = null;
    for (LabelRule r : labels) {
      if (r.scope.about(x, tags) != Answer.YES) {
        continue;
      }
      for (String name : names) {
        if (!KEPT.contains(name) && r.drops(name)) {
          out = out == null ? new TreeSet<>() : out;
          out.add(name);
        }
      }
    }
    return out == null ? Set.of() : out;
  }

  private About about(String task, String job) {
    if (tasks.isEmpty()) {
      return About.NOTHING;
    }
    if (known.size() >= MAX_KNOWN) {
      known.clear();
    }
    return known.computeIfAbsent(List.of(task, job), k -> gather(task, job));
  }

  /** Returns how many tasks are remembered. */
  int remembered() {
    return known.size();
  }

  /** Gathers what the entries say that are about a task: the first to give a tag wins. */
  private About gather(String task, String job) {
    List<TaskEntry> hits = new ArrayList<>();
    String team = "";
    for (TaskEntry e : tasks) {
      Answer a = Selector.about(e.match, task, job);
      if (a == Answer.PERHAPS) {
        return new About(null, false);
      }
      if (a == Answer.YES) {
        hits.add(e);
        team = team.isEmpty() ? e.tags.getOrDefault(Scope.TEAM, "") : team;
      }
    }
    Map<String, String> tags = new HashMap<>();
    boolean off = false;
    for (TaskEntry e : hits) {
      if (e.team.isEmpty() || e.team.equals(team)) {
        e.tags.forEach((name, value) -> {
          if (!value.isEmpty()) {
            tags.putIfAbsent(name, value);
          }
        });
        off |= !e.enabled;
      }
    }
    return new About(tags, off);
  }

  /** What the document says of a task. */
  private static final class About {
    static final About NOTHING = new About(Map.of(), false);

    private final Map<String, String> tags; // null when they are not known
    private final boolean off;

    About(Map<String, String> tags, boolean off) {
      this.tags = tags;
      this.off = off;
    }
  }

  /** An entry of the task section. */
  private static final class TaskEntry {
    private final Patterns match;
    private final Map<String, String> tags;
    private final String team;
    private final boolean enabled;

    TaskEntry(Members m) {
      match = new Patterns(m.texts("match"));
      tags = m.textByName("tags");
      team = m.text(Scope.TEAM);
      enabled = m.flag("enabled", true);
    }
  }

  /** A rule about what is sent. */
  private static final class Rule {
    private final Scope scope;
    private final Action action;

    Rule(Members m) {
      scope = new Scope(m);
      action = Action.of(m);
    }
  }

  /** A rule about labels. */
  private static final class LabelRule {
    private final Scope scope;
    private final List<Patterns> drop = new ArrayList<>(); // each alone: one that is not understood harms no other

    LabelRule(Members m) {
      scope = new Scope(m);
      m.texts("drop").forEach(p -> drop.add(new Patterns(List.of(p))));
    }

    boolean drops(String name) {
      return drop.stream().anyMatch(p -> p.match(name) == Answer.YES);
    }
  }
}
