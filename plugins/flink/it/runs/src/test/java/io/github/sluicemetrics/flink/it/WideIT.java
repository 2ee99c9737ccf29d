package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.sluicemetrics.flink.it.jobs.WideJob;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** T6: 40,000 metrics in one JVM. */
class WideIT {
    private static final int SUBTASKS = 20;
    private static final int METRICS = 1_950;
    private static final int REPORTS = Boolean.getBoolean("it.full") ? 60 : 20;
    private static final int WARM_UP = 5;
    private static final Duration LONG = Duration.ofSeconds(120);

    @Test
    void fortyThousandMetrics() throws Exception {
        long without = heap(new Options());
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM);
            Options options = new Options().sluice(broker.address(), 1000).reporter("cluster-id", "it-session");
            try (MiniFlink flink = new MiniFlink(options, SUBTASKS)) {
                submit(flink);
                measure(broker);
                Figures.say("T6", "heap in use after GC: %.1f MB without the reporter, %.1f MB with it", without / 1e6, used() / 1e6);
            }
        }
    }

    private static void measure(Broker broker) {
        Map<Long, Integer> records = new HashMap<>();
        Predicate<Topics.Entry> own = e -> {
            records.merge(Reports.seq(e), 1, Integer::sum);
            return e.field("scope").equals("reporter") || Reports.metric("_report").test(e);
        };
        try (Topics topics = new Topics(own, broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
            Topics.Entry wide = topics.await("report with all metrics", LONG, e ->
                    e.field("metric").equals("live_metrics") && value(e) >= 40_000);
            long from = Reports.seq(wide) + WARM_UP;
            topics.await(REPORTS + " reports more", LONG, e -> Reports.seq(e) > from + REPORTS);
            topics.drain();
            List<Double> times = topics.all().stream().filter(Reports.metric("report_ms")).filter(e -> Reports.seq(e) > from)
                    .map(WideIT::value).sorted().collect(Collectors.toList());
            double median = times.get(times.size() / 2);
            Figures.say("T6", "%.0f metrics: report() median %.1f ms, max %.1f ms of %d reports (per 1,000 metrics %.2f ms)",
                    value(wide), median, times.get(times.size() - 1), times.size(), median * 1000 / value(wide));
            for (long seq = from; seq < from + REPORTS; seq++) {
                long number = seq;
                List<Topics.Entry> closings = topics.all().stream()
                        .filter(Reports.metric("_report").and(e -> Reports.seq(e) == number)).collect(Collectors.toList());
                assertEquals(Reports.announced(closings) + closings.size(), records.get(number).longValue(), "records of a report");
            }
        }
    }

    private static double value(Topics.Entry e) {
        var point = e.value.path("points").path(0);
        return point.path(point.has("c") ? "c" : "v").asDouble();
    }

    private static void submit(MiniFlink flink) throws Exception {
        String job = WideJob.submit(flink.environment(SUBTASKS), "dir=" + Home.work("knobs"), "metrics=" + METRICS)
                .getJobID().toString();
        flink.rest().awaitRunning(job);
    }

    private static long heap(Options options) throws Exception {
        try (MiniFlink flink = new MiniFlink(options, SUBTASKS)) {
            submit(flink);
            return used();
        }
    }

    private static long used() {
        var memory = ManagementFactory.getMemoryMXBean();
        for (int i = 0; i < 3; i++) {
            memory.gc();
        }
        return memory.getHeapMemoryUsage().getUsed();
    }
}
