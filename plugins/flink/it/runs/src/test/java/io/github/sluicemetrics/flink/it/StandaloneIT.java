package io.github.sluicemetrics.flink.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.it.jobs.OtherClientJob;
import io.github.sluicemetrics.flink.it.jobs.ShopJob;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarInputStream;
import java.util.jar.JarOutputStream;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Clusters of processes: the jar works as a plugin, in both lines of Flink, beside whatever a job brings. */
class StandaloneIT {
    @Test
    void runsAsPluginInFlink120() throws Exception {
        List<Path> ours = Home.plugins().stream()
                .filter(p -> p.toString().contains("sluice")).collect(Collectors.toList());
        runsAsPlugin(Home.flink120(), ours, new Options());
    }

    @Test
    void runsAsPluginInFlink2() throws Exception {
        runsAsPlugin(Home.flink(), Home.plugins(), new Options().prometheus("0"));
    }

    private static void runsAsPlugin(String classPath, List<Path> plugins, Options options) throws Exception {
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM);
            options.sluice(broker.address(), 1000).with("restart-strategy.type", "fixed-delay");
            try (StandaloneFlink flink = new StandaloneFlink(classPath, plugins, options, 1, 2);
                    Topics topics = new Topics(broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
                String job = flink.rest().run(flink.rest().upload(Home.jobs()), ShopJob.class, 2, List.of("dir=" + Home.work("knobs")));
                flink.rest().awaitRunning(job);
                topics.await("native metric of the job", Reports.SOON,
                        Reports.ofTask(job).and(Reports.metric("numRecordsInPerSecond")));
                Topics.Entry user = topics.await("user metric of the job", Reports.SOON,
                        Reports.ofTask(job).and(Reports.metric("orders")));
                topics.await("metric of a process", Reports.SOON, e -> e.field("scope").equals("jobmanager.Status.JVM.Memory.Heap"));
                assertEquals(Reports.CUSTOM, user.topic);
                assertEquals("taskmanager.job.task.operator", user.field("scope"));
                assertEquals(2, rids(topics), "one reporter in each of the two processes");
            }
        }
    }

    private static long rids(Topics topics) {
        return topics.all().stream().map(e -> e.field("rid")).distinct().count();
    }

    /** T7. */
    @Test
    void jobMayBringAnotherKafkaClient() throws Exception {
        try (Broker broker = new Broker().start()) {
            broker.create(Reports.NATIVE, Reports.CUSTOM, "out");
            Options options = new Options().sluice(broker.address(), 1000);
            try (StandaloneFlink flink = new StandaloneFlink(Home.flink(), Home.plugins(), options, 1, 1);
                    Topics topics = new Topics(broker.address(), Reports.NATIVE, Reports.CUSTOM)) {
                String jar = flink.rest().upload(withClient(Home.otherKafkaClients()));
                String job = flink.rest().run(jar, OtherClientJob.class, 1,
                        List.of("dir=" + Home.work("knobs"), "brokers=" + broker.address(), "out=out"));
                flink.rest().awaitRunning(job);
                Topics.Entry client = topics.await("version of the job's client", Reports.SOON,
                        Reports.ofTask(job).and(Reports.metric("kafkaClient")));
                String version = client.value.get("points").get(0).get("t").asText();
                assertTrue(Home.otherKafkaClients().toString().contains(version), "the job has its own client, not " + version);
                topics.await("records that the job has written", Reports.SOON,
                        Reports.ofTask(job).and(Reports.metric("numRecordsIn"))
                                .and(e -> e.value.get("points").get(0).get("c").asLong() > 20));
                Figures.say("T7", "job with kafka-clients %s beside the reporter: both write", version);
            }
        }
    }

    /** The jar of the jobs with another jar in its lib folder, which Flink puts on the job's class path. */
    private static Path withClient(Path client) throws IOException {
        Path fat = Home.work("jar").resolve("job.jar");
        try (JarInputStream in = new JarInputStream(Files.newInputStream(Home.jobs()));
                OutputStream file = Files.newOutputStream(fat);
                JarOutputStream out = new JarOutputStream(file)) {
            for (JarEntry e = in.getNextJarEntry(); e != null; e = in.getNextJarEntry()) {
                out.putNextEntry(new JarEntry(e.getName()));
                in.transferTo(out);
            }
            out.putNextEntry(new JarEntry("lib/" + client.getFileName()));
            Files.copy(client, out);
        }
        return fat;
    }
}
