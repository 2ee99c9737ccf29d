package io.github.sluicemetrics.flink.it;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * One number of a record, with the names that it has elsewhere: as a series of Flink's Prometheus
 * reporter, and as a metric of the REST API. Texts and values that are absent have no sample.
 */
public final class Sample {
    private static final List<String> SCOPES = List.of(
            "taskmanager.job.task.operator", "taskmanager.job.task", "taskmanager.job", "taskmanager",
            "jobmanager.job.operator", "jobmanager.job", "jobmanager");

    /** name{label="value",…}, labels sorted. */
    public final String series;
    /** path?metric; null where the REST API has no such number. */
    public final String rest;

    public final double value;

    private Sample(String series, String rest, double value) {
        this.series = series;
        this.rest = rest;
        this.value = value;
    }

    /** What a record says. Closing and end records say nothing. */
    public static List<Sample> of(Topics.Entry entry) {
        List<Sample> samples = new ArrayList<>();
        JsonNode record = entry.value;
        if (record.path("end").asBoolean() || entry.field("metric").equals("_report")) {
            return samples;
        }
        for (JsonNode point : record.path("points")) {
            Map<String, String> labels = labels(record, point);
            String name = name(entry.field("scope") + "_" + entry.field("metric"));
            String rest = rest(entry.field("scope"), entry.field("metric"), labels);
            switch (entry.field("type")) {
                case "counter":
                    samples.add(new Sample(series(name, labels), rest, number(point.get("c"))));
                    break;
                case "meter":
                    samples.add(new Sample(series(name, labels), rest, number(point.get("r"))));
                    break;
                case "histogram":
                    histogram(samples, name, labels, rest, point);
                    break;
                default:
                    if (point.hasNonNull("v") || point.has("b")) {
                        samples.add(new Sample(series(name, labels), rest, number(point.has("b") ? point.get("b") : point.get("v"))));
                    }
            }
        }
        return samples;
    }

    private static void histogram(List<Sample> samples, String name, Map<String, String> labels, String rest, JsonNode point) {
        samples.add(new Sample(series(name + "_count", labels), null, number(point.get("c"))));
        for (String[] field : new String[][] {{"min", "_min"}, {"max", "_max"}, {"mean", "_mean"}, {"sd", "_stddev"}}) {
            samples.add(new Sample("", rest == null ? null : rest + field[1], number(point.get(field[0]))));
        }
        Map<String, String> quantiles = Map.of("0.5", "_median", "0.75", "_p75", "0.95", "_p95", "0.98", "_p98", "0.99", "_p99", "0.999", "_p999");
        point.path("q").fields().forEachRemaining(q -> {
            Map<String, String> with = new TreeMap<>(labels);
            with.put("quantile", q.getKey());
            samples.add(new Sample(series(name, with), rest == null ? null : rest + quantiles.get(q.getKey()), number(q.getValue())));
        });
    }

    private static Map<String, String> labels(JsonNode record, JsonNode point) {
        Map<String, String> labels = new TreeMap<>();
        record.path("labels").fields().forEachRemaining(e -> labels.put(e.getKey(), e.getValue().asText()));
        point.path("l").fields().forEachRemaining(e -> labels.put(e.getKey(), e.getValue().asText()));
        if (point.has("s")) {
            labels.put("subtask_index", point.get("s").asText());
        }
        if (point.has("a")) {
            labels.put("task_attempt_num", point.get("a").asText());
        }
        return labels;
    }

    /** The name of a series: flink_ and what Prometheus allows. */
    public static String name(String raw) {
        return ("flink_" + raw).replaceAll("[^a-zA-Z0-9_:]", "_");
    }

    /** The notation that all series are compared in. */
    public static String series(String name, Map<String, String> sorted) {
        return name + sorted.entrySet().stream()
                .map(e -> e.getKey() + "=\"" + e.getValue() + "\"")
                .collect(Collectors.joining(",", "{", "}"));
    }

    /** A number as records write it: NaN, Inf and -Inf are strings. */
    static double number(JsonNode node) {
        if (node.isTextual()) {
            return Double.parseDouble(node.asText().replace("Inf", "Infinity"));
        }
        return node.isBoolean() ? (node.asBoolean() ? 1 : 0) : node.asDouble();
    }

    private static String rest(String scope, String metric, Map<String, String> labels) {
        String base = SCOPES.stream().filter(b -> scope.equals(b) || scope.startsWith(b + ".")).findFirst().orElse("");
        String path;
        switch (base) {
            case "jobmanager":
                path = "/jobmanager/metrics";
                break;
            case "jobmanager.job":
                path = "/jobs/" + labels.get("job_id") + "/metrics";
                break;
            case "taskmanager":
                path = "/taskmanagers/" + labels.get("tm_id") + "/metrics";
                break;
            case "taskmanager.job.task":
            case "taskmanager.job.task.operator":
                path = "/jobs/" + labels.get("job_id") + "/vertices/" + labels.get("task_id") + "/subtasks/"
                        + labels.get("subtask_index") + "/metrics";
                break;
            default:
                return null;
        }
        // A group with a key and a value is one word of the scope and a label; here it is two words.
        String groups = Stream.of(scope.substring(base.length()).split("\\."))
                .filter(g -> !g.isEmpty())
                .map(g -> word(g) + "." + (labels.containsKey(g) ? word(labels.get(g)) + "." : ""))
                .collect(Collectors.joining());
        String operator = base.endsWith("task.operator") ? word(labels.get("operator_name")) + "." : "";
        return path + "?" + operator + groups + metric;
    }

    private static String word(String raw) {
        return raw.replaceAll("[ .:,]", "_");
    }
}
