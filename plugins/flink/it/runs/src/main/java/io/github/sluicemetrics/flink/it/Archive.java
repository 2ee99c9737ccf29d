package io.github.sluicemetrics.flink.it;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.zip.GZIPOutputStream;

/** The folder of a recording. Its README, which this writes too, tells what is in it. */
final class Archive {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int SCRAPE_EVERY = 2;

    private final Path dir;
    private int looks;
    private int failed;

    Archive(Path dir) throws IOException {
        this.dir = dir;
        for (String part : List.of("scrape", "rest")) {
            Files.createDirectories(dir.resolve(part));
            try (var old = Files.newDirectoryStream(dir.resolve(part))) {
                for (Path file : old) {
                    Files.delete(file);
                }
            }
        }
    }

    /** Keeps what the other two say now. The whole of it at rest; else the scrape every second time, and REST without subtasks. */
    void look(FlinkRest rest, Scrapes scrapes, boolean whole) {
        try {
            if (whole || looks % SCRAPE_EVERY == 0) {
                for (int i = 0; i < scrapes.processes().size(); i++) {
                    long at = System.currentTimeMillis();
                    write("scrape/" + at + "-" + i + ".prom.gz", scrapes.processes().get(i).text());
                }
            }
            ObjectNode answers = JSON.createObjectNode();
            long at = System.currentTimeMillis();
            for (String path : List.of("/overview", "/config", "/jobs/overview", "/taskmanagers")) {
                answers.set(path, rest.get(path));
            }
            for (JsonNode job : answers.get("/jobs/overview").get("jobs")) {
                for (String part : List.of("", "/exceptions", "/checkpoints", "/config")) {
                    String path = "/jobs/" + job.get("jid").asText() + part;
                    answers.set(path, rest.get(path));
                }
            }
            for (String page : RestMetrics.pages(rest)) {
                if (whole || !page.contains("/subtasks/")) {
                    answers.putArray(page).addAll(RestMetrics.values(rest, page));
                }
            }
            write("rest/" + at + ".json.gz", answers.toString());
        } catch (IOException | RuntimeException e) {
            failed++;
            System.err.println("a look failed: " + e);
        }
        looks++;
    }

    /** Writes the records, one JSON object a line; value is the record byte for byte. */
    void records(List<Topics.Entry> entries) throws IOException {
        List<Topics.Entry> ordered = new ArrayList<>(entries);
        ordered.sort(Comparator.<Topics.Entry>comparingLong(e -> e.at).thenComparing(e -> e.topic)
                .thenComparingInt(e -> e.partition).thenComparingLong(e -> e.offset));
        try (Writer out = open("records.jsonl.gz")) {
            for (Topics.Entry e : ordered) {
                ObjectNode line = JSON.createObjectNode().put("topic", e.topic).put("partition", e.partition)
                        .put("offset", e.offset).put("timestamp", e.at).put("key", e.key);
                String head = line.toString();
                out.write(head.substring(0, head.length() - 1) + ",\"value\":" + e.text + "}\n");
            }
        }
    }

    /** Writes run.json and the README. */
    void close(ObjectNode run, FlinkRest rest) throws IOException {
        run.putObject("versions")
                .put("flink", rest.get("/overview").get("flink-version").asText())
                .put("kafka", version(Home.kafka(), "kafka_2.13"))
                .put("connector", version(Home.flink(), "flink-connector-kafka"))
                .put("java", System.getProperty("java.version"));
        run.put("looks", looks).put("failedLooks", failed);
        Files.writeString(dir.resolve("run.json"), JSON.writerWithDefaultPrettyPrinter().writeValueAsString(run) + "\n");
        StringBuilder phases = new StringBuilder();
        for (JsonNode p : run.get("phases")) {
            long second = (p.get("start").asLong() - run.get("start").asLong()) / 1000;
            phases.append(String.format("| %d s | %s | %s |%n", second, p.get("name").asText(), p.get("what").asText()));
        }
        JsonNode versions = run.get("versions");
        String readme = new String(Archive.class.getResourceAsStream("/recording.md").readAllBytes(), StandardCharsets.UTF_8)
                .replace("{date}", Instant.ofEpochMilli(run.get("start").asLong()).truncatedTo(ChronoUnit.SECONDS).toString())
                .replace("{flink}", versions.get("flink").asText())
                .replace("{kafka}", versions.get("kafka").asText())
                .replace("{connector}", versions.get("connector").asText())
                .replace("{java}", versions.get("java").asText())
                .replace("{phases}", phases.toString().trim());
        Files.writeString(dir.resolve("README.md"), readme);
    }

    private static String version(String classPath, String artifact) {
        return classPath.replaceAll("(?s).*/" + artifact + "-([^/]*)\\.jar.*", "$1");
    }

    private void write(String name, String text) throws IOException {
        try (Writer out = open(name)) {
            out.write(text);
        }
    }

    private Writer open(String name) throws IOException {
        return new OutputStreamWriter(new GZIPOutputStream(Files.newOutputStream(dir.resolve(name))), StandardCharsets.UTF_8);
    }
}
