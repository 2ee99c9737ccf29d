package io.github.sluicemetrics.flink.it;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sluicemetrics.flink.it.jobs.KafkaJob;
import io.github.sluicemetrics.flink.it.jobs.Knobs;
import io.github.sluicemetrics.flink.it.jobs.ShopJob;
import io.github.sluicemetrics.flink.it.jobs.SqlJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Runs the jobs on a standalone cluster for a while and keeps what our reporter, Flink's Prometheus
 * reporter and the REST API say side by side. What happens when is in {@link Act}.
 *
 * <p>Arguments: the folder to write to, and for how many seconds (600).
 */
public final class Recorder {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int TICK_SECONDS = 10;

    /** What happens, and after which share of the run it begins. */
    private enum Act {
        STEADY(0.00, "jobs run undisturbed"),
        RESTART(0.20, "the job orders fails once and is restarted from its last checkpoint"),
        LAG(0.30, "the job clicks works slower than its input comes in: its lag grows"),
        CATCH_UP(0.55, "the job clicks works at full speed again"),
        CHECKPOINT(0.65, "a checkpoint of the job orders expires: it failed, the job goes on"),
        FADE(0.75, "sources of orders and clicks pause; rates and windows come to rest"),
        REST(0.90, "orders and clicks are alive and idle: scrape and records must say the same");

        final double begin;
        final String what;

        Act(double begin, String what) {
            this.begin = begin;
            this.what = what;
        }
    }

    private final Duration length;
    private final Knobs orders = new Knobs(Home.work("orders").toString());
    private final Knobs clicks = new Knobs(Home.work("clicks").toString());
    private final Archive archive;
    private final ObjectNode run = JSON.createObjectNode();
    private volatile boolean resting;

    private Recorder(Path out, Duration length) throws IOException {
        this.length = length;
        this.archive = new Archive(out);
    }

    /** Records. */
    public static void main(String[] arguments) throws Exception {
        Duration length = Duration.ofSeconds(arguments.length > 1 ? Long.parseLong(arguments[1]) : 600);
        new Recorder(Files.createDirectories(Path.of(arguments[0])), length).record();
        System.exit(0); // threads of clients and clocks are of no use any more
    }

    private void record() throws Exception {
        int ports = Home.port();
        try (Broker broker = new Broker().start()) {
            broker.create("flink.native", "flink.custom", "clicks", "pages");
            Options options = new Options().sluice(broker.address(), TICK_SECONDS * 1000L)
                    .both("cluster-id", "session-1")
                    .both("task-id.job-name-regex", "^(?:orders|clicks|revenue)-(t-[0-9]+)$")
                    .events(broker.address())
                    .prometheus(Scrapes.range(ports))
                    .with("restart-strategy.type", "fixed-delay")
                    .with("restart-strategy.fixed-delay.attempts", 100)
                    .with("restart-strategy.fixed-delay.delay", "5 s");
            try (StandaloneFlink flink = new StandaloneFlink(Home.flink(), Home.plugins(), options, 2, 2)) {
                submit(flink.rest(), broker.address());
                play(flink, broker, new Scrapes(ports, 3));
            }
        }
    }

    private void submit(FlinkRest rest, String brokers) throws IOException {
        String jar = rest.upload(Home.jobs());
        for (String job : List.of(
                rest.run(jar, ShopJob.class, 2, List.of("dir=" + orders.dir(), "name=orders-t-1001", "rate=400", "checkpoint-ms=10000")),
                rest.run(jar, KafkaJob.class, 1, List.of("dir=" + clicks.dir(), "name=clicks-t-1002", "rate=400", "checkpoint-ms=10000",
                        "brokers=" + brokers, "in=clicks", "out=pages")),
                rest.run(jar, SqlJob.class, 1, List.of("name=revenue-t-1003", "rate=100")))) {
            rest.awaitRunning(job);
        }
    }

    private void play(StandaloneFlink flink, Broker broker, Scrapes scrapes) throws Exception {
        long start = System.currentTimeMillis();
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
        clock.scheduleAtFixedRate(() -> archive.look(flink.rest(), scrapes, resting), 0, TICK_SECONDS, TimeUnit.SECONDS);
        ArrayNode phases = run.put("start", start).putArray("phases");
        Act[] acts = Act.values();
        for (int i = 0; i < acts.length; i++) {
            double end = i + 1 < acts.length ? acts[i + 1].begin : 1;
            long from = System.currentTimeMillis();
            perform(acts[i]);
            resting = acts[i] == Act.REST;
            System.out.printf("%s %s: %s%n", Instant.now(), acts[i], acts[i].what);
            Await.pass(Duration.ofMillis(start + (long) (length.toMillis() * end) - System.currentTimeMillis()));
            phases.addObject().put("name", acts[i].name().toLowerCase(Locale.ROOT)).put("what", acts[i].what)
                    .put("start", from).put("end", System.currentTimeMillis());
        }
        clock.shutdown();
        if (!clock.awaitTermination(1, TimeUnit.MINUTES)) {
            throw new IllegalStateException("the last look does not end");
        }
        flink.alive();
        try (Topics topics = new Topics(broker.address(), "flink.native", "flink.custom")) {
            topics.drain();
            archive.records(topics.all());
        }
        archive.close(run.put("end", System.currentTimeMillis()), flink.rest());
    }

    private void perform(Act act) {
        switch (act) {
            case RESTART:
                orders.turn(Knobs.FAIL, true);
                break;
            case LAG:
            case CATCH_UP:
                clicks.turn(Knobs.SLOW, act == Act.LAG);
                break;
            case CHECKPOINT:
                orders.turn(Knobs.STALL_CHECKPOINT, true);
                break;
            case FADE:
                orders.turn(Knobs.PAUSE, true);
                clicks.turn(Knobs.PAUSE, true);
                break;
            default:
        }
    }
}
