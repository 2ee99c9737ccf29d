package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** What the tests ask of records. */
final class Reports {
    static final String NATIVE = "flink.native";
    static final String CUSTOM = "flink.custom";
    static final Duration SOON = Duration.ofSeconds(30);

    private Reports() {}

    static Predicate<Topics.Entry> metric(String name) {
        return e -> e.field("metric").equals(name);
    }

    static Predicate<Topics.Entry> ofTask(String task) {
        return e -> e.field("torrent_task_id").equals(task);
    }

    static boolean isEnd(Topics.Entry e) {
        return e.value.path("end").asBoolean();
    }

    static long seq(Topics.Entry e) {
        return e.value.get("seq").asLong();
    }

    static long timestamp(Topics.Entry e) {
        return e.value.get("report_timestamp").asLong();
    }

    /** Records of every report, by its number. */
    static Map<Long, List<Topics.Entry>> bySeq(List<Topics.Entry> entries) {
        return entries.stream().collect(Collectors.groupingBy(Reports::seq, TreeMap::new, Collectors.toList()));
    }

    /** How many records a report has by its own account, closings not counted; -1 when it was not closed. */
    static long announced(List<Topics.Entry> report) {
        return report.stream().filter(metric("_report")).mapToLong(e -> e.value.get("n").asLong()).reduce(Long::sum).orElse(-1);
    }

    static long closings(List<Topics.Entry> report) {
        return report.stream().filter(metric("_report")).count();
    }

    /** Demands that a report has as many records as it says. */
    static void complete(List<Topics.Entry> report) {
        long n = announced(report);
        assertTrue(n >= 0 && report.size() == n + closings(report),
                () -> "report " + seq(report.get(0)) + " announces " + n + " records and has " + (report.size() - closings(report)));
    }

    /** The value of a self-metric in a record, by the labels of its points joined; "" for a single one. */
    static Map<String, Long> self(Topics.Entry e) {
        Map<String, Long> values = new TreeMap<>();
        e.value.path("points").forEach(p -> {
            String reason = p.path("l").path("reason").asText(e.label("reason"));
            values.put(reason, p.has("c") ? p.get("c").asLong() : p.get("v").asLong());
        });
        return values;
    }
}
