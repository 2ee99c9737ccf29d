package io.github.sluicemetrics.flink.it;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Where the build left what a run needs. The root is the folder "it", from the property it.root or the working directory. */
public final class Home {
    private static final Path ROOT = Path.of(System.getProperty("it.root", "..")).toAbsolutePath().normalize();

    private Home() {}

    /** Class path of the broker. */
    public static String kafka() {
        return read(ROOT.resolve("kafka/target/classpath.txt"));
    }

    /** Class path of a cluster of the newest Flink with table API and connectors, without our reporter. */
    public static String flink() {
        return Stream.of(read(ROOT.resolve("runs/target/classpath.txt")).split(File.pathSeparator))
                .filter(p -> !isPlugin(p))
                .collect(Collectors.joining(File.pathSeparator));
    }

    /** Class path of a Flink 1.20 cluster with the datagen connector. */
    public static String flink120() {
        return read(ROOT.resolve("flink120/target/classpath.txt"));
    }

    /** The jars that belong into plugin folders: our reporter and Flink's Prometheus reporter. */
    public static List<Path> plugins() {
        return Stream.of(read(ROOT.resolve("runs/target/classpath.txt")).split(File.pathSeparator))
                .filter(Home::isPlugin)
                .map(Path::of)
                .collect(Collectors.toList());
    }

    private static boolean isPlugin(String path) {
        return path.contains("sluice-flink-reporter") || path.contains("flink-metrics-prometheus");
    }

    /** The jar with the jobs, as one would submit it. */
    public static Path jobs() {
        return only(ROOT.resolve("runs/target"), "sluice-flink-it-runs-*.jar");
    }

    /** A kafka-clients jar of another version than the reporter, the broker and the connector have. */
    public static Path otherKafkaClients() {
        return only(ROOT.resolve("runs/target/other"), "kafka-clients-*.jar");
    }

    /** The folder that figures and working directories go to. */
    public static Path target() {
        return ROOT.resolve("runs/target");
    }

    /** A new working directory. */
    public static Path work(String name) {
        try {
            Path parent = Files.createDirectories(target().resolve("work"));
            return Files.createTempDirectory(parent, name + "-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A loopback port that is free now. */
    public static int port() {
        try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return s.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path only(Path dir, String glob) {
        try (var found = Files.newDirectoryStream(dir, glob)) {
            return found.iterator().next();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file).trim();
        } catch (IOException e) {
            throw new UncheckedIOException("run the package phase of Maven first", e);
        }
    }
}
