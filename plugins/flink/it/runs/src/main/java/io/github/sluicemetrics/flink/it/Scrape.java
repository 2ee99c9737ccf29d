package io.github.sluicemetrics.flink.it;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** What Flink's Prometheus reporter answers, as numbers by series in the notation of {@link Sample#series}. */
public final class Scrape {
    private final Http page;

    /** Reads the reporter at this loopback port. */
    public Scrape(int port) {
        page = new Http("http://127.0.0.1:" + port);
    }

    /** The page as it is. */
    public String text() throws IOException {
        return page.text("/metrics");
    }

    /** The numbers that it holds now. */
    public Map<String, Double> read() throws IOException {
        Map<String, Double> values = new HashMap<>();
        text().lines().filter(l -> !l.isEmpty() && !l.startsWith("#")).forEach(l -> parse(l, values));
        return values;
    }

    private static void parse(String line, Map<String, Double> into) {
        int brace = line.indexOf('{');
        int last = line.lastIndexOf(' ');
        Map<String, String> labels = new TreeMap<>();
        String name = line.substring(0, brace < 0 ? last : brace);
        int at = brace + 1;
        while (brace >= 0 && line.charAt(at) != '}') {
            int equals = line.indexOf('=', at);
            StringBuilder value = new StringBuilder();
            int i = equals + 2;
            for (; line.charAt(i) != '"'; i++) {
                char c = line.charAt(i);
                if (c == '\\') {
                    c = line.charAt(++i) == 'n' ? '\n' : line.charAt(i);
                }
                value.append(c);
            }
            if (value.length() > 0) { // an empty label is none
                labels.put(line.substring(at, equals), value.toString());
            }
            at = line.charAt(i + 1) == ',' ? i + 2 : i + 1;
        }
        String number = line.substring(last + 1).replace("+Inf", "Infinity").replace("-Inf", "-Infinity");
        into.put(Sample.series(name, labels), Double.parseDouble(number));
    }
}
