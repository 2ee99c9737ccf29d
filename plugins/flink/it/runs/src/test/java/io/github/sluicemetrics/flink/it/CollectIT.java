package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.sluicemetrics.flink.it.jobs.KafkaJob;
import io.github.sluicemetrics.flink.it.jobs.Knobs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

/** {@code sluice collect} beside a real Flink and a real broker: what no reporter can say. */
class CollectIT {
    private static final String TASK = "clicks-t-1002";

    @Test
    void tellsOfJobsCheckpointsAndLag() throws Exception {
        assumeTrue(Files.isExecutable(Sluice.binary()), "no program at " + Sluice.binary() + ": build it with go build -o");
        Knobs knobs = new Knobs(Home.work("knobs").toString());
        Options options = new Options()
                .with("restart-strategy.type", "fixed-delay")
                .with("restart-strategy.fixed-delay.attempts", 100)
                .with("restart-strategy.fixed-delay.delay", "1 s");
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM, "clicks", "pages");
            try (MiniFlink flink = new MiniFlink(options, 2);
                    Proc collector = collect(flink, broker);
                    Topics topics = new Topics(broker.address(), Reports.CUSTOM)) {
                String job = KafkaJob.submit(flink.environment(2), "dir=" + knobs.dir(), "name=" + TASK,
                        "brokers=" + broker.address(), "in=clicks", "out=pages").getJobID().toString();
                flink.rest().awaitRunning(job);
                topics.await("an answering JobManager", Reports.SOON, at("jobmanager.cluster", "up").and(value("v", 1)));
                topics.await("the state of the job", Reports.SOON, ofJob("jobmanager.job", "state")
                        .and(e -> e.value.at("/points/0/t").asText().equals("RUNNING")));
                topics.await("a completed checkpoint", Reports.SOON,
                        ofJob("jobmanager.job.checkpoint", "completed").and(e -> e.value.at("/points/0/c").asLong() > 0));
                assertEquals(job, topics.await("labels", Reports.SOON, ofJob("jobmanager.job", "state")).label("job_id"));
                lagGrows(topics, knobs);
                failureIsCounted(topics, knobs);
                collector.alive();
            }
        }
    }

    private static Proc collect(MiniFlink flink, Broker broker) {
        Path dir = Home.work("collect");
        return Proc.start("collect", dir, List.of(Sluice.binary().toString(), "collect", "--flink", flink.url(),
                "--brokers", broker.address(), "--no-host", "--every", "1s", "--task-id-job-name-regex", "(.*)"), Map.of());
    }

    /** The reader is slowed down: what waits in the topic is more and more, and it is said how long that would take. */
    private static void lagGrows(Topics topics, Knobs knobs) {
        topics.await("a lag of some size", Reports.SOON, ofJob("kafka.source.topic", "lag"));
        knobs.turn(Knobs.SLOW, true);
        Topics.Entry behind = topics.await("a lag of 1,000 records", Reports.SOON.multipliedBy(2),
                ofJob("kafka.source.topic", "lag").and(e -> e.value.at("/points/0/v").asDouble() > 1000));
        topics.await("a time to recover", Reports.SOON, ofJob("kafka.source.topic", "recovery_seconds")
                .and(e -> Reports.timestamp(e) >= Reports.timestamp(behind)));
        knobs.turn(Knobs.SLOW, false);
        Topics.Entry less = topics.await("less lag", Reports.SOON.multipliedBy(2), ofJob("kafka.source.topic", "lag")
                .and(e -> Reports.timestamp(e) > Reports.timestamp(behind))
                .and(e -> e.value.at("/points/0/v").asDouble() < behind.value.at("/points/0/v").asDouble()));
        assertTrue(Reports.timestamp(less) > Reports.timestamp(behind));
    }

    private static void failureIsCounted(Topics topics, Knobs knobs) {
        knobs.turn(Knobs.FAIL, true);
        topics.await("a restart", Reports.SOON.multipliedBy(2),
                ofJob("jobmanager.job", "restarts").and(e -> e.value.at("/points/0/c").asLong() > 0));
        topics.await("the text of the failure", Reports.SOON,
                ofJob("jobmanager.job.exception", "last").and(e -> e.value.toString().contains("failed on demand")));
    }

    private static Predicate<Topics.Entry> at(String scope, String metric) {
        return Reports.metric(metric).and(e -> e.field("scope").equals(scope));
    }

    private static Predicate<Topics.Entry> ofJob(String scope, String metric) {
        return at(scope, metric).and(Reports.ofTask(TASK));
    }

    private static Predicate<Topics.Entry> value(String field, double wanted) {
        return e -> e.value.at("/points/0/" + field).asDouble() == wanted;
    }
}
