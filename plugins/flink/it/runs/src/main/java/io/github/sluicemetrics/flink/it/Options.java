package io.github.sluicemetrics.flink.it;

import java.util.LinkedHashMap;
import java.util.Map;

/** Flink options of a run: what every cluster gets, and the reporters on top. */
public final class Options {
    private static final String REPORTER = "metrics.reporter.sluice.";
    private static final String EVENTS = "events.reporter.sluice.";

    private final Map<String, String> map = new LinkedHashMap<>();

    /** Loopback only, small, and with a REST API that never shows old metrics. */
    public Options() {
        for (String host : new String[] {
            "rest.address", "rest.bind-address", "jobmanager.rpc.address", "jobmanager.bind-host",
            "taskmanager.host", "taskmanager.bind-host"
        }) {
            map.put(host, "127.0.0.1");
        }
        map.put("metrics.fetcher.update-interval", "1000");
        map.put("web.refresh-interval", "1000");
        map.put("heartbeat.interval", "1000");
        map.put("heartbeat.timeout", "10000");
    }

    /** Sets any option. */
    public Options with(String key, Object value) {
        map.put(key, value.toString());
        return this;
    }

    /** Our reporter, writing to this broker every so many milliseconds. */
    public Options sluice(String broker, long intervalMs) {
        with(REPORTER + "factory.class", "io.github.sluicemetrics.flink.SluiceReporterFactory");
        with(REPORTER + "interval", intervalMs + " ms");
        return reporter("bootstrap.servers", broker);
    }

    /** An option of our reporter. */
    public Options reporter(String key, Object value) {
        return with(REPORTER + key, value);
    }

    /** The same option of our reporter and of our event reporter. */
    public Options both(String key, Object value) {
        return reporter(key, value).with(EVENTS + key, value);
    }

    /** Our event reporter, which Flink 2 has a place for. */
    public Options events(String broker) {
        with(EVENTS + "factory.class", "io.github.sluicemetrics.flink.SluiceEventReporterFactory");
        return with(EVENTS + "bootstrap.servers", broker);
    }

    /** Flink's Prometheus reporter on the first free port of a range, with label values as they are. */
    public Options prometheus(String ports) {
        with("metrics.reporter.prom.factory.class", "org.apache.flink.metrics.prometheus.PrometheusReporterFactory");
        with("metrics.reporter.prom.filterLabelValueCharacters", "false");
        return with("metrics.reporter.prom.port", ports);
    }

    /** All options. */
    public Map<String, String> map() {
        return map;
    }
}
