package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sluicemetrics.flink.it.jobs.Knobs;
import io.github.sluicemetrics.flink.it.jobs.ShopJob;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** T3, and what Sluice makes of it: a real instance between a real broker and a real job. */
class ControlIT {
    private static final String DROP = "import \"github.com/sluice-metrics/sluice/schema\"\n\n"
            + "policy: control: \"it-no-last-order\": schema.#Drop & {\n"
            + "\tmatch: metrics: [\"flink_taskmanager_job_task_operator_lastOrder\"]\n"
            + "\treason: \"nobody asks for it\"\n}";

    @Test
    void changeReachesARunningJobAndQueriesAnswer() throws Exception {
        assumeTrue(Files.isExecutable(Sluice.binary()), "no program at " + Sluice.binary() + ": build it with go build -o");
        Path folder = Home.work("knobs");
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM);
            try (Sluice sluice = new Sluice(broker.address())) {
                int port = Home.port();
                Options options = new Options().sluice(broker.address(), 1000).prometheus(Integer.toString(port))
                        .reporter("control.url", sluice.url())
                        .reporter("control.dir", Home.work("control"));
                try (MiniFlink flink = new MiniFlink(options, 2);
                        Topics topics = new Topics(broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
                    String job = ShopJob.submit(flink.environment(2), "dir=" + folder).getJobID().toString();
                    flink.rest().awaitRunning(job);
                    obeys(sluice, flink, topics, job);
                    new Knobs(folder.toString()).turn(Knobs.PAUSE, true);
                    queriesAnswer(sluice, new Scrape(port), job);
                }
            }
        }
    }

    private static void obeys(Sluice sluice, MiniFlink flink, Topics topics, String job) throws Exception {
        Topics.Entry before = topics.await("metric under some control version", Reports.SOON,
                Reports.ofTask(job).and(Reports.metric("lastOrder")).and(e -> e.value.path("cv").asLong() > 0));
        long version = before.value.get("cv").asLong();
        List<Integer> attempts = flink.rest().attempts(job);
        long applied = System.currentTimeMillis();
        sluice.apply(DROP);
        Topics.Entry closing = topics.await("report under the new version", Reports.SOON,
                Reports.ofTask(job).and(Reports.metric("_report"))
                        .and(e -> e.value.path("cv").asLong() != version && Reports.timestamp(e) > applied));
        Figures.say("T3", "policy applied -> report under the new version in Kafka: %d ms (reports every 1 s)", closing.at - applied);
        topics.await("two more reports", Reports.SOON, Reports.ofTask(job).and(Reports.metric("_report"))
                .and(e -> Reports.seq(e) > Reports.seq(closing) + 1));
        topics.drain();
        assertFalse(topics.all().stream().anyMatch(Reports.ofTask(job).and(Reports.metric("lastOrder"))
                .and(e -> Reports.seq(e) >= Reports.seq(closing) && !Reports.isEnd(e))), "lastOrder is not sent any more");
        assertTrue(topics.all().stream().anyMatch(Reports.ofTask(job).and(Reports.metric("lastOrder")).and(Reports::isEnd)),
                "its series has ended");
        assertTrue(topics.all().stream().anyMatch(Reports.ofTask(job).and(Reports.metric("orders"))
                .and(e -> Reports.seq(e) >= Reports.seq(closing))), "the others go on");
        assertEquals(attempts, flink.rest().attempts(job), "the job was not touched");
    }

    /** Sources rest now, so Sluice must come to say what Flink's own reporter says. */
    private static void queriesAnswer(Sluice sluice, Scrape scrape, String job) {
        Await.until("equal orders by PromQL and by scrape", Duration.ofSeconds(30), () -> {
            double expected = scrape.read().entrySet().stream()
                    .filter(e -> e.getKey().startsWith("flink_taskmanager_job_task_operator_orders{"))
                    .mapToDouble(e -> e.getValue()).sum();
            JsonNode sum = sluice.query("sum(flink_taskmanager_job_task_operator_orders{torrent_task_id=\"" + job + "\"})");
            if (expected > 0 && sum.size() == 1 && sum.get(0).get("value").get(1).asDouble() == expected) {
                return true;
            }
            throw new IllegalStateException("scrape " + expected + ", PromQL " + sum);
        });
        Await.until("both subtasks by PromQL", Reports.SOON, () ->
                sluice.query("flink_taskmanager_job_task_numRecordsOut{torrent_task_id=\"" + job + "\"}").size() >= 2);
    }
}
