package io.github.sluicemetrics.flink.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** What was measured: printed, and kept in target/figures.txt. */
public final class Figures {
    private Figures() {}

    /** Adds a line, "bar: " + the text formatted. */
    public static void say(String bar, String format, Object... values) {
        String line = bar + ": " + String.format(format, values);
        System.out.println("FIGURE " + line);
        try {
            Path file = Home.target().resolve("figures.txt");
            Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
