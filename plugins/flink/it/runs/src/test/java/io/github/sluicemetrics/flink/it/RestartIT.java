package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sluicemetrics.flink.it.jobs.ShopJob;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Jobs that fail and start again, and jobs side by side. */
class RestartIT {
    private static final Pattern FAILED_AT = Pattern.compile("failed on demand at (\\d+)");

    private static Options options(Broker broker) {
        return new Options().sluice(broker.address(), 1000)
                .events(broker.address())
                .both("cluster-id", "it-session")
                .with("restart-strategy.type", "fixed-delay")
                .with("restart-strategy.fixed-delay.attempts", 100)
                .with("restart-strategy.fixed-delay.delay", "1 s");
    }

    /** T4 and T8. */
    @Test
    void failedTaskEndsItsSeriesAndTellsAtOnce() throws Exception {
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM);
            String dir = "dir=" + Home.work("knobs");
            try (MiniFlink flink = new MiniFlink(options(broker), 2);
                    Topics topics = new Topics(broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
                String job = ShopJob.submit(flink.environment(2), dir, "fail-after=2000", "broken=1").getJobID().toString();
                Topics.Entry again = topics.await("second attempt", Reports.SOON,
                        Reports.ofTask(job).and(Reports.metric("orders")).and(e -> attempts(e).contains(1)));
                // Two reports later whatever is left of the first attempt would show again.
                topics.await("two more reports", Reports.SOON, Reports.ofTask(job).and(Reports.metric("_report"))
                        .and(e -> Reports.seq(e) >= Reports.seq(again) + 2 && e.field("rid").equals(again.field("rid"))));
                topics.drain();
                topics.await("count of gauges that failed", Reports.SOON,
                        Reports.metric("failed_reads").and(e -> e.value.at("/points/0/c").asLong() > 0));
                endsOfFirstAttempt(topics, job);
                eventInTime(flink, topics, job);
            }
        }
    }

    private static void endsOfFirstAttempt(Topics topics, String job) {
        Set<String> alive = new HashSet<>();
        Set<String> known = new HashSet<>();
        for (Topics.Entry e : topics.all()) {
            if (!Reports.ofTask(job).test(e)) {
                continue;
            }
            for (JsonNode p : e.value.path("points")) {
                if (p.path("a").asInt(-1) != 0) {
                    continue;
                }
                String series = e.field("scope") + "|" + e.field("metric") + "|" + e.value.get("labels") + p.path("l") + p.path("s");
                if (Reports.isEnd(e)) {
                    assertTrue(known.contains(series), () -> "the end of what never was: " + series);
                    alive.remove(series);
                } else {
                    known.add(series);
                    alive.add(series);
                }
            }
        }
        assertFalse(known.isEmpty());
        assertEquals(Set.of(), alive, "series of the first attempt without an end");
        Figures.say("T4", "%d series of the first attempt, every one has its end record", known.size());
    }

    private static void eventInTime(MiniFlink flink, Topics topics, String job) throws Exception {
        Topics.Entry event = topics.await("event of the failure", Reports.SOON,
                Reports.ofTask(job).and(Reports.metric("failures")).and(e -> e.value.at("/points/0/c").asLong() > 0));
        Matcher thrown = FAILED_AT.matcher(flink.rest().text("/jobs/" + job + "/exceptions"));
        assertTrue(thrown.find());
        Figures.say("T8", "failure thrown -> event in Kafka: %d ms", event.at - Long.parseLong(thrown.group(1)));
    }

    private static List<Integer> attempts(Topics.Entry e) {
        return e.value.path("points").findValues("a").stream().map(JsonNode::asInt).collect(Collectors.toList());
    }

    /** T5. */
    @Test
    void jobsOfOneSessionAreTwoTasks() throws Exception {
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM);
            String dir = "dir=" + Home.work("knobs");
            Options options = options(broker).both("task-id.job-name-regex", "^task-(.*)$");
            try (MiniFlink flink = new MiniFlink(options, 2);
                    Topics topics = new Topics(broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
                ShopJob.submit(flink.environment(1), dir, "name=task-4711");
                String unnamed = ShopJob.submit(flink.environment(1), dir, "name=shop").getJobID().toString();
                for (String task : List.of("4711", unnamed)) {
                    topics.await("user metric of " + task, Reports.SOON, Reports.ofTask(task).and(Reports.metric("orders")));
                    topics.await("closing record of " + task, Reports.SOON, Reports.ofTask(task).and(Reports.metric("_report")));
                }
                topics.await("metrics of the process", Reports.SOON,
                        Reports.ofTask("it-session").and(e -> e.field("scope").startsWith("taskmanager.Status")));
                topics.drain();
                for (Topics.Entry e : topics.all()) {
                    String expected = e.label("job_name").isEmpty() ? e.field("torrent_task_id")
                            : e.label("job_name").equals("shop") ? unnamed : "4711";
                    assertEquals(expected, e.field("torrent_task_id"), () -> e.text);
                }
                assertNotEquals("4711", unnamed);
            }
        }
    }
}
