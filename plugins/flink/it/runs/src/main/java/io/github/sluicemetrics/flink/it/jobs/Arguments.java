package io.github.sluicemetrics.flink.it.jobs;

import java.util.HashMap;
import java.util.Map;

/** The arguments of a job: name=value. */
final class Arguments {
    private final Map<String, String> values = new HashMap<>();

    Arguments(String[] arguments) {
        for (String a : arguments) {
            int at = a.indexOf('=');
            values.put(a.substring(0, at), a.substring(at + 1));
        }
    }

    String text(String name) {
        String value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException("missing argument " + name + "=…");
        }
        return value;
    }

    String text(String name, String otherwise) {
        return values.getOrDefault(name, otherwise);
    }

    long number(String name, long otherwise) {
        return Long.parseLong(text(name, Long.toString(otherwise)));
    }
}
