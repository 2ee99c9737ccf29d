package io.github.sluicemetrics.flink.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A child process whose output goes to a file. It ends with the JVM that started it, at the latest. */
public final class Proc implements AutoCloseable {
    private static final Duration GRACE = Duration.ofSeconds(10);

    private final String name;
    private final Path log;
    private final Process process;

    private Proc(String name, Path log, Process process) {
        this.name = name;
        this.log = log;
        this.process = process;
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    }

    /** Starts a Java main class: options are those of the JVM. */
    public static Proc java(String name, Path dir, String classPath, List<String> options, List<String> main, Map<String, String> env) {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(options);
        command.add("-Dlog4j2.configurationFile=" + Home.target().resolve("classes/log4j2.properties"));
        command.add("-cp");
        command.add(classPath);
        command.addAll(main);
        return start(name, dir, command, env);
    }

    /** Starts a command in dir; its output is appended to dir/name.log. */
    public static Proc start(String name, Path dir, List<String> command, Map<String, String> env) {
        Path log = dir.resolve(name + ".log");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(dir.toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().putAll(env);
        try {
            return new Proc(name, log, builder.start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits for the process to end by itself and demands that it says success. */
    public void success(Duration limit) {
        try {
            if (!process.waitFor(limit.toSeconds(), TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new AssertionError(name + " did not end well, see " + log + ":\n" + tail());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /** Demands that it still runs. */
    public void alive() {
        if (!process.isAlive()) {
            throw new AssertionError(name + " has ended, see " + log + ":\n" + tail());
        }
    }

    /** Kills it at once, as with signal 9, and waits until it is gone. */
    public void kill() {
        process.destroyForcibly();
        gone();
    }

    /** The id of the process. */
    public long pid() {
        return process.pid();
    }

    /** What it wrote so far. */
    public String output() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String tail() {
        String text = output();
        return text.substring(Math.max(0, text.length() - 4000));
    }

    private boolean gone() {
        try {
            return process.waitFor(GRACE.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void close() {
        process.destroy();
        if (!gone()) {
            kill();
        }
    }
}
