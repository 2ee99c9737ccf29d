package io.github.sluicemetrics.flink.it;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** All metrics that the REST API shows, by path?metric. */
public final class RestMetrics {
    private static final int AT_ONCE = 50;

    private RestMetrics() {}

    /** The pages of metrics that a cluster has: of its JobManager, its TaskManagers, its jobs and their subtasks. */
    public static List<String> pages(FlinkRest rest) throws IOException {
        List<String> pages = new ArrayList<>(List.of("/jobmanager/metrics"));
        for (JsonNode tm : rest.get("/taskmanagers").get("taskmanagers")) {
            pages.add("/taskmanagers/" + tm.get("id").asText() + "/metrics");
        }
        for (String job : rest.runningJobs()) {
            pages.add("/jobs/" + job + "/metrics");
            for (JsonNode v : rest.get("/jobs/" + job).get("vertices")) {
                for (int s = 0; s < v.get("parallelism").asInt(); s++) {
                    pages.add("/jobs/" + job + "/vertices/" + v.get("id").asText() + "/subtasks/" + s + "/metrics");
                }
            }
        }
        return pages;
    }

    /** Every metric that is a number, now. */
    public static Map<String, Double> read(FlinkRest rest) throws IOException {
        Map<String, Double> values = new HashMap<>();
        for (String page : pages(rest)) {
            for (JsonNode metric : values(rest, page)) {
                try {
                    values.put(page + "?" + metric.get("id").asText(), number(metric.get("value").asText()));
                } catch (NumberFormatException e) {
                    continue; // a text
                }
            }
        }
        return values;
    }

    /** The metrics of a page with their values. */
    public static List<JsonNode> values(FlinkRest rest, String page) throws IOException {
        List<String> ids = StreamSupport.stream(rest.get(page).spliterator(), false)
                .map(m -> URLEncoder.encode(m.get("id").asText(), StandardCharsets.UTF_8))
                .collect(Collectors.toList());
        List<JsonNode> values = new ArrayList<>();
        for (int from = 0; from < ids.size(); from += AT_ONCE) {
            List<String> some = ids.subList(from, Math.min(from + AT_ONCE, ids.size()));
            rest.get(page + "?get=" + String.join(",", some)).forEach(values::add);
        }
        return values;
    }

    private static double number(String text) {
        if (text.equals("true") || text.equals("false")) {
            return text.equals("true") ? 1 : 0;
        }
        return Double.parseDouble(text);
    }
}
