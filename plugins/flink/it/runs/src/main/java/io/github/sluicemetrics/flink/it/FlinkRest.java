package io.github.sluicemetrics.flink.it;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Flink's REST API, as far as the runs need it. */
public final class FlinkRest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private final Http http;

    /** A client of the API at base, without a slash at the end. */
    public FlinkRest(String base) {
        http = new Http(base);
    }

    /** GET path, which starts with a slash. */
    public JsonNode get(String path) throws IOException {
        return http.get(path);
    }

    /** GET path as it is. */
    public String text(String path) throws IOException {
        return http.text(path);
    }

    /** Uploads a jar and gives its id. */
    public String upload(Path jar) throws IOException {
        String boundary = "sluice-boundary";
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        body.writeBytes(("--" + boundary + "\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\""
                + jar.getFileName() + "\"\r\nContent-Type: application/x-java-archive\r\n\r\n")
                .getBytes(StandardCharsets.UTF_8));
        body.writeBytes(Files.readAllBytes(jar));
        body.writeBytes(("\r\n--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8));
        String stored = http.post("/jars/upload", "multipart/form-data; boundary=" + boundary, body.toByteArray())
                .get("filename").asText();
        return stored.substring(stored.lastIndexOf('/') + 1);
    }

    /** Runs a main class of an uploaded jar and gives the id of its job. */
    public String run(String jar, Class<?> main, int parallelism, List<String> arguments) throws IOException {
        ObjectNode body = JSON.createObjectNode().put("entryClass", main.getName()).put("parallelism", parallelism);
        arguments.forEach(body.putArray("programArgsList")::add);
        return http.post("/jars/" + jar + "/run", "application/json", body.toString().getBytes(StandardCharsets.UTF_8))
                .get("jobid").asText();
    }

    /** Waits until every subtask of the job runs. */
    public void awaitRunning(String job) {
        Await.until("running job " + job, LIMIT, () -> {
            JsonNode vertices = get("/jobs/" + job).get("vertices");
            for (JsonNode v : vertices) {
                if (v.get("tasks").get("RUNNING").asInt() != v.get("parallelism").asInt()) {
                    return false;
                }
            }
            return vertices.size() > 0;
        });
    }

    /** The state of a job, as Flink names it. */
    public String state(String job) throws IOException {
        return get("/jobs/" + job).get("state").asText();
    }

    /** The ids of a job's vertices. */
    public List<String> vertices(String job) throws IOException {
        List<String> ids = new ArrayList<>();
        get("/jobs/" + job).get("vertices").forEach(v -> ids.add(v.get("id").asText()));
        return ids;
    }

    /** The attempt numbers of all subtasks of a job. */
    public List<Integer> attempts(String job) throws IOException {
        List<Integer> attempts = new ArrayList<>();
        for (String vertex : vertices(job)) {
            get("/jobs/" + job + "/vertices/" + vertex).get("subtasks").forEach(s -> attempts.add(s.get("attempt").asInt()));
        }
        return attempts;
    }

    /** Names of the jobs that are neither finished nor failed nor cancelled. */
    public List<String> runningJobs() throws IOException {
        List<String> ids = new ArrayList<>();
        get("/jobs/overview").get("jobs").forEach(j -> {
            if (j.get("state").asText().equals("RUNNING")) {
                ids.add(j.get("jid").asText());
            }
        });
        return ids.stream().sorted().collect(Collectors.toList());
    }
}
