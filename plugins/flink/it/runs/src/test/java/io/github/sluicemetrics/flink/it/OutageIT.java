package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.it.jobs.LoadJob;
import io.github.sluicemetrics.flink.it.jobs.ShopJob;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** T2: a broker that is not there costs a job nothing, and what was lost meanwhile is counted. */
class OutageIT {
    private static final boolean FULL = Boolean.getBoolean("it.full");
    private static final Duration OUTAGE = Duration.ofSeconds(FULL ? 60 : 20);
    private static final int PAIRS = FULL ? 8 : 3;
    private static final Duration WARM_UP = Duration.ofSeconds(10);
    private static final Duration WINDOW = Duration.ofSeconds(FULL ? 40 : 15);
    private static final Duration BACK = Duration.ofSeconds(60);

    @Test
    void deadBrokerDoesNotSlowAJob() throws Exception {
        String dead = "127.0.0.1:" + Home.port();
        List<Load> without = new ArrayList<>();
        List<Load> with = new ArrayList<>();
        load("warm-up", new Options());
        load("warm-up", new Options().sluice(dead, 1000));
        for (int i = 0; i < PAIRS; i++) {
            without.add(load("without reporter", new Options()));
            with.add(load("with a dead broker", new Options().sluice(dead, 1000)));
        }
        Figures.say("T2", "with a dead broker, medians of %d pairs: throughput %+.1f %%, CPU per record %+.1f %%", PAIRS,
                change(without, with, l -> l.perSecond), change(without, with, l -> l.cpu));
    }

    /** A job at full speed: records per second, and CPU nanoseconds of the whole process per record. */
    private static final class Load {
        final double perSecond;
        final double cpu;

        Load(double perSecond, double cpu) {
            this.perSecond = perSecond;
            this.cpu = cpu;
        }
    }

    /** Measures a window of a job that has run for a while: what a start costs is another matter. */
    private static Load load(String what, Options options) throws Exception {
        var os = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        try (MiniFlink flink = new MiniFlink(options, 2)) {
            var job = LoadJob.submit(flink.environment(2), "dir=" + Home.work("knobs"));
            flink.rest().awaitRunning(job.getJobID().toString());
            Await.pass(WARM_UP);
            long cpu = os.getProcessCpuTime();
            double reporting = reporting();
            long made = LoadJob.made();
            long began = System.nanoTime();
            Await.pass(WINDOW);
            double nanos = System.nanoTime() - began;
            made = LoadJob.made() - made;
            Load load = new Load(made * 1e9 / nanos, (double) (os.getProcessCpuTime() - cpu) / made);
            Figures.say("T2", "%s: %.2f M records/s, CPU %.0f ns per record, reporting used %.2f %% of a core",
                    what, load.perSecond / 1e6, load.cpu, (reporting() - reporting) * 100 / nanos);
            job.cancel().get();
            return load;
        }
    }

    /** CPU time in nanoseconds that the threads of reporters have used: Flink's, ours and the Kafka client's. */
    private static double reporting() {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        return Stream.of(threads.getThreadInfo(threads.getAllThreadIds()))
                .filter(t -> t != null && (t.getThreadName().contains("sluice") || t.getThreadName().startsWith("Flink-Metric-Reporter")))
                .mapToLong(t -> threads.getThreadCpuTime(t.getThreadId())).sum();
    }

    /** What came to be of the median, in per cent. */
    private static double change(List<Load> from, List<Load> to, ToDoubleFunction<Load> figure) {
        return 100 * (median(to, figure) / median(from, figure) - 1);
    }

    private static double median(List<Load> loads, ToDoubleFunction<Load> figure) {
        double[] sorted = loads.stream().mapToDouble(figure).sorted().toArray();
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }

    @Test
    void absentAndKilledBrokerLosesOnlyWhatIsCounted() throws Exception {
        try (Broker broker = new Broker()) {
            Options options = new Options().sluice(broker.address(), 1000).reporter("cluster-id", "it-session");
            try (MiniFlink flink = new MiniFlink(options, 2)) {
                String job = ShopJob.submit(flink.environment(2), "dir=" + Home.work("knobs")).getJobID().toString();
                flink.rest().awaitRunning(job);
                Await.pass(OUTAGE.dividedBy(2));
                List<Integer> attempts = flink.rest().attempts(job);
                broker.start();
                broker.create(Reports.NATIVE, Reports.CUSTOM);
                long up = System.currentTimeMillis();
                try (Topics topics = new Topics(broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
                    back("broker absent at start", topics, up);
                    broker.kill();
                    Await.pass(OUTAGE);
                    broker.start();
                    back("broker killed for " + OUTAGE.toSeconds() + " s", topics, System.currentTimeMillis());
                    lossIsCounted(topics);
                }
                assertTrue(flink.rest().state(job).equals("RUNNING") && flink.rest().attempts(job).equals(attempts),
                        "the job runs undisturbed");
            }
        }
    }

    private static void back(String what, Topics topics, long up) {
        Topics.Entry first = topics.awaitAfter("report after: " + what, up, BACK,
                e -> e.at >= up && Reports.timestamp(e) >= up && Reports.metric("_report").test(e));
        Figures.say("T2", "%s: first new report %d ms after it answered", what, first.at - up);
    }

    /** Compares what is missing in the topics with what the reporter says it dropped. */
    private static void lossIsCounted(Topics topics) {
        Topics.Entry last = settled(topics);
        topics.drain();
        Map<Long, List<Topics.Entry>> reports = Reports.bySeq(topics.all());
        long until = Reports.seq(last);
        Map<String, Long> dropped = Reports.self(last);
        long size = reports.get(until).size();
        long missing = 0;
        long whole = 0;
        for (long seq = 1; seq <= until; seq++) {
            List<Topics.Entry> report = reports.getOrDefault(seq, List.of());
            if (report.isEmpty()) {
                whole++;
            } else if (Reports.announced(report) >= 0) {
                missing += Reports.announced(report) + Reports.closings(report) - report.size();
            } else {
                missing += size - report.size();
            }
        }
        long records = dropped.entrySet().stream().filter(e -> !e.getKey().equals("skipped")).mapToLong(Map.Entry::getValue).sum();
        long skipped = dropped.getOrDefault("skipped", 0L);
        long lost = missing + (whole - skipped) * size;
        Figures.say("T2", "reports %d, missing whole %d, skipped by its count %d; records lost besides %d, dropped by its count %d; %s",
                until, whole, skipped, lost, records, dropped);
        assertTrue(skipped <= whole, "no report is both counted as skipped and there");
        assertTrue(lost == records || lost < records && records - lost <= size,
                "lost " + lost + ", counted " + records + ": more than Kafka kept of what it never acknowledged");
    }

    /** The count of drops once it has been the same for three reports. */
    private static Topics.Entry settled(Topics topics) {
        return Await.value("settled count of drops", BACK, () -> {
            topics.poll();
            List<Topics.Entry> counts = new ArrayList<>();
            topics.all().stream().filter(Reports.metric("dropped").and(e -> e.field("scope").equals("reporter"))).forEach(counts::add);
            int n = counts.size();
            boolean same = n >= 4 && Reports.self(counts.get(n - 1)).equals(Reports.self(counts.get(n - 4)));
            return same ? counts.get(n - 1) : null;
        });
    }
}
