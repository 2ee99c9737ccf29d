package io.github.sluicemetrics.flink.it;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * An instance of Sluice as a process, on the broker of the run, with a copy of the default policies.
 * The program is the property sluice.binary, or what target/sluice is.
 */
public final class Sluice implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(60);
    private static final String RULE = "it_rule.cue";

    private final Path dir = Home.work("sluice");
    private final String url;
    private final Http http;
    private final Proc process;

    /** Starts it and waits until it is ready. */
    public Sluice(String broker) {
        copy(policies(), dir.resolve("policies"));
        String listen = "127.0.0.1:" + Home.port();
        url = "http://" + listen;
        http = new Http(url);
        process = Proc.start("sluice", dir, List.of(binary().toString(), "run", "--brokers", broker,
                "--policies", dir.resolve("policies").toString(), "--listen", listen), Map.of());
        Await.until("ready Sluice", START, () -> {
            process.alive();
            return !http.text("/readyz").isEmpty();
        });
    }

    /** The program; a test that needs it calls this first and says so when it is missing. */
    public static Path binary() {
        return Path.of(System.getProperty("sluice.binary", Home.target().resolve("sluice").toString())).toAbsolutePath();
    }

    private static Path policies() {
        return Path.of(System.getProperty("sluice.policies", "../../../../policies")).toAbsolutePath();
    }

    /** Its URL, which is what reporters are given. */
    public String url() {
        return url;
    }

    /** Puts a control rule, CUE source, before all others, and makes the instance load it. */
    public void apply(String rule) {
        try {
            Files.writeString(dir.resolve("policies").resolve(RULE), "package policies\n\n" + rule + "\n");
            Proc.start("reload", dir, List.of("kill", "-HUP", Long.toString(process.pid())), Map.of()).success(START);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The result of an instant query in PromQL. */
    public JsonNode query(String promql) throws IOException {
        return http.get("/prometheus/api/v1/query?query=" + URLEncoder.encode(promql, StandardCharsets.UTF_8))
                .get("data").get("result");
    }


    private static void copy(Path from, Path to) {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path f : files.collect(Collectors.toList())) {
                Files.copy(f, to.resolve(from.relativize(f).toString()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        process.close();
    }
}
