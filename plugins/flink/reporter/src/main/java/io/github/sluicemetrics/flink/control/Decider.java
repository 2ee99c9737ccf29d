package io.github.sluicemetrics.flink.control;

import io.github.sluicemetrics.flink.record.Planner;
import io.github.sluicemetrics.flink.series.Catalogue;
import io.github.sluicemetrics.flink.series.Entry;
import io.github.sluicemetrics.flink.series.Group;
import io.github.sluicemetrics.flink.series.Names;
import io.github.sluicemetrics.flink.series.Plan;

/** Plans what becomes of metrics by the catalogue and by the rules that their task obeys. */
public final class Decider implements Planner {
  private final Catalogue catalogue;
  private final String nativeTopic;
  private final String customTopic;

  public Decider(Catalogue catalogue, String nativeTopic, String customTopic) {
    this.catalogue = catalogue;
    this.nativeTopic = nativeTopic;
    this.customTopic = customTopic;
  }

  @Override
  public Plan plan(Entry e) {
    Group g = e.group();
    String series = Names.series(g.scope(), g.metric());
    String origin = catalogue.origin(series);
    String usual = catalogue.has(series) ? nativeTopic : customTopic;
    Rules rules = g.task().rules();
    if (rules == Rules.NONE) {
      return new Plan(rules, false, Step.ALWAYS, usual, origin, e.site().whole());
    }
    Subject x = new Subject(g.task().id(), series, g.kind().word(), origin, e.site().labels());
    Verdict v = rules.decide(x, e.site().names());
    String topic = v.topic().isEmpty() ? usual : v.topic();
    return new Plan(rules, v.skip(), v.step(), topic, origin, e.site().without(v.dropped()));
  }
}
