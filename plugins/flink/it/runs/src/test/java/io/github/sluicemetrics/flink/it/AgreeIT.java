package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.it.jobs.KafkaJob;
import io.github.sluicemetrics.flink.it.jobs.Knobs;
import io.github.sluicemetrics.flink.it.jobs.ShopJob;
import io.github.sluicemetrics.flink.it.jobs.SqlJob;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * T1: records say what Flink's Prometheus reporter and the REST API say. Each report is read between
 * two readings of the others. A value that is the same in both must be the one of the record; one
 * that moved must lie between them in one of the rounds.
 */
class AgreeIT {
    private static final Duration METERS_COME_TO_REST = Duration.ofSeconds(70);
    private static final Duration REST_IS_FRESH = Duration.ofMillis(2500);
    private static final int ROUNDS = 40;

    /** How far two views agree: by name of what they share, whether it is proven, and how. */
    private static final class Comparison {
        final Map<String, String> wrong = new TreeMap<>();
        final Set<String> equal = new HashSet<>();
        final Set<String> between = new HashSet<>();

        void round(Map<String, Double> records, Map<String, Double> before, Map<String, Double> after) {
            wrong.clear();
            records.forEach((name, value) -> {
                Double low = before.get(name);
                Double high = after.get(name);
                if (low == null || high == null) {
                    return;
                }
                if (low.equals(high)) {
                    if (same(low, value)) {
                        equal.add(name);
                    } else {
                        wrong.put(name, value + " and not " + low);
                    }
                } else if (value >= Math.min(low, high) && value <= Math.max(low, high)) {
                    between.add(name);
                } else if (!proven(name)) {
                    wrong.put(name, value + " and not between " + low + " and " + high);
                }
            });
        }

        /** REST writes a float with as few digits as a float needs. */
        private static boolean same(double there, double here) {
            return Double.compare(there, here) == 0 || Double.compare((float) there, (float) here) == 0 && (float) here == here;
        }

        private boolean proven(String name) {
            return equal.contains(name) || between.contains(name);
        }

        void say(String with) {
            between.removeAll(equal);
            Figures.say("T1", "%s: %d common series, %d equal, %d moving and in between, %d differ",
                    with, equal.size() + between.size() + wrong.size(), equal.size(), between.size(), wrong.size());
        }
    }

    @Test
    void recordsScrapeAndRestAgree() throws Exception {
        int port = Home.port();
        Path folder = Home.work("knobs");
        String dir = "dir=" + folder;
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM, "clicks", "pages");
            Options options = new Options().sluice(broker.address(), 1000).prometheus(Integer.toString(port))
                    .reporter("cluster-id", "it-session");
            try (MiniFlink flink = new MiniFlink(options, 5);
                    Topics topics = new Topics(broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
                List<String> jobs = List.of(
                        ShopJob.submit(flink.environment(2), dir, "checkpoint-ms=600000").getJobID().toString(),
                        KafkaJob.submit(flink.environment(2), dir, "checkpoint-ms=600000",
                                "brokers=" + broker.address(), "in=clicks", "out=pages").getJobID().toString(),
                        SqlJob.submit(flink.environment(1)).getJobID().toString());
                jobs.forEach(flink.rest()::awaitRunning);
                Await.pass(Duration.ofSeconds(20));
                new Knobs(folder.toString()).turn(Knobs.PAUSE, true);
                Await.pass(METERS_COME_TO_REST);
                compare(flink.rest(), new Scrape(port), topics);
            }
        }
    }

    private static void compare(FlinkRest rest, Scrape scrape, Topics topics) throws IOException {
        Comparison prometheus = new Comparison();
        Comparison restApi = new Comparison();
        for (int i = 0; i < ROUNDS; i++) {
            Map<String, Double> restBefore = fresh(rest);
            Map<String, Double> before = scrape.read();
            List<Topics.Entry> report = nextReport(topics);
            Map<String, Double> after = scrape.read();
            Map<String, Double> restAfter = fresh(rest);
            Map<String, Double> bySeries = new HashMap<>();
            Map<String, Double> byRest = new HashMap<>();
            report.stream().flatMap(e -> Sample.of(e).stream()).forEach(s -> {
                bySeries.put(s.series, s.value);
                if (s.rest != null) {
                    byRest.put(s.rest, s.value);
                }
            });
            bySeries.remove("");
            prometheus.round(bySeries, before, after);
            restApi.round(byRest, restBefore, restAfter);
            if (prometheus.wrong.isEmpty() && restApi.wrong.isEmpty() || i == ROUNDS - 1) {
                prometheus.say("records and Prometheus");
                restApi.say("records and REST");
                Set<String> numbers = missing("Prometheus", bySeries.keySet(), after.keySet());
                numbers.removeAll(texts(report));
                assertEquals(Set.of("flink_taskmanager_job_task_operator_absent"), numbers, "what has no value is not sent, all else is");
                missing("REST", byRest.keySet(), restAfter.keySet());
                break;
            }
        }
        assertEquals(Map.of(), prometheus.wrong);
        assertEquals(Map.of(), restApi.wrong);
        assertTrue(prometheus.equal.size() > 300 && restApi.equal.size() > 300, "enough was compared");
    }

    /** A whole report that was begun from now on. */
    private static List<Topics.Entry> nextReport(Topics topics) {
        long now = System.currentTimeMillis();
        Topics.Entry first = topics.await("next report", Reports.SOON, e -> Reports.timestamp(e) > now);
        long seq = Reports.seq(first);
        topics.await("the report after it", Reports.SOON, e -> Reports.seq(e) > seq);
        topics.drain();
        List<Topics.Entry> report = topics.all().stream().filter(e -> Reports.seq(e) == seq).collect(Collectors.toList());
        Reports.complete(report);
        return report;
    }

    /** The first question makes Flink fetch; its answer is what the second question gets. */
    private static Map<String, Double> fresh(FlinkRest rest) throws IOException {
        RestMetrics.read(rest);
        Await.pass(REST_IS_FRESH);
        return RestMetrics.read(rest);
    }

    /** Names of the series that are texts, for which the Prometheus reporter says 0. */
    private static Set<String> texts(List<Topics.Entry> report) {
        return report.stream().filter(e -> e.value.at("/points/0").has("t"))
                .map(e -> Sample.name(e.field("scope") + "_" + e.field("metric"))).collect(Collectors.toSet());
    }

    /** Tells what only one of two has and gives what only the other has. What both have, by different labels, is a mistake. */
    private static Set<String> missing(String other, Set<String> records, Set<String> theirs) {
        Map<String, String> here = only(records, theirs);
        Map<String, String> there = only(theirs, records);
        Figures.say("T1", "in records, not in %s: %s; in %s, not in records: %s", other, here.keySet(), other, there.keySet());
        Map<String, String> differ = new TreeMap<>(here);
        differ.keySet().retainAll(there.keySet());
        differ.replaceAll((name, series) -> series + " and " + there.get(name));
        assertEquals(Map.of(), differ, "same name, other labels than in " + other);
        return new TreeSet<>(there.keySet());
    }

    private static Map<String, String> only(Set<String> these, Set<String> those) {
        return these.stream().filter(s -> !those.contains(s))
                .collect(Collectors.toMap(AgreeIT::metric, s -> s, (a, b) -> a, TreeMap::new));
    }

    private static String metric(String name) {
        return name.contains("?") ? name.substring(name.indexOf('?') + 1) : name.replaceAll("\\{.*", "");
    }
}
