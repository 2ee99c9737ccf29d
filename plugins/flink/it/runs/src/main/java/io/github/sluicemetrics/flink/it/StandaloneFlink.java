package io.github.sluicemetrics.flink.it;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A session cluster as it stands on machines: a JobManager and TaskManagers as processes, reporters
 * in a plugins folder. Any version of Flink.
 */
public final class StandaloneFlink implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(90);
    private static final List<String> OPENS = List.of("java.lang", "java.util", "java.util.concurrent", "java.nio", "java.net").stream()
            .map(p -> "--add-opens=java.base/" + p + "=ALL-UNNAMED")
            .collect(Collectors.toList());

    private final Path dir = Home.work("flink");
    private final String classPath;
    private final Map<String, String> environment;
    private final FlinkRest rest;
    private final List<Proc> processes = new ArrayList<>();

    /** Starts the processes and waits until all slots are offered. */
    public StandaloneFlink(String classPath, List<Path> plugins, Options options, int taskManagers, int slots) throws IOException {
        this.classPath = classPath;
        int port = Home.port();
        options.with("jobmanager.rpc.port", Home.port())
                .with("rest.port", port).with("rest.bind-port", port)
                .with("web.tmpdir", dir.resolve("web")).with("io.tmp.dirs", dir.resolve("tmp"))
                .with("taskmanager.numberOfTaskSlots", slots)
                .with("taskmanager.cpu.cores", "1.0")
                .with("taskmanager.memory.task.heap.size", "512m").with("taskmanager.memory.task.off-heap.size", "0b")
                .with("taskmanager.memory.framework.heap.size", "128m").with("taskmanager.memory.framework.off-heap.size", "128m")
                .with("taskmanager.memory.managed.size", "64m")
                .with("taskmanager.memory.network.min", "128m").with("taskmanager.memory.network.max", "128m")
                .with("taskmanager.memory.jvm-metaspace.size", "192m")
                .with("taskmanager.memory.jvm-overhead.min", "192m").with("taskmanager.memory.jvm-overhead.max", "192m");
        Path conf = Files.createDirectories(dir.resolve("conf"));
        Files.createDirectories(dir.resolve("tmp"));
        Files.createDirectories(dir.resolve("web"));
        Files.write(conf.resolve("config.yaml"), options.map().entrySet().stream()
                .map(e -> e.getKey() + ": '" + e.getValue().replace("'", "''") + "'")
                .collect(Collectors.toList()));
        environment = Map.of("FLINK_PLUGINS_DIR", folders(plugins).toString(), "FLINK_CONF_DIR", conf.toString());
        rest = new FlinkRest("http://127.0.0.1:" + port);
        launch("jobmanager", "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", "-Xmx512m");
        for (int i = 1; i <= taskManagers; i++) {
            launch("taskmanager-" + i, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "-Xmx640m");
        }
        Await.until("cluster with " + taskManagers * slots + " slots", START, () -> {
            processes.forEach(Proc::alive);
            return rest.get("/overview").get("slots-total").asInt() == taskManagers * slots;
        });
    }

    private void launch(String name, String main, String heap) {
        List<String> options = new ArrayList<>(OPENS);
        options.add(heap);
        processes.add(Proc.java(name, dir, classPath, options,
                List.of(main, "--configDir", dir.resolve("conf").toString()), environment));
    }

    /** One folder for each plugin, named like its jar: the layout that Flink demands. */
    private Path folders(List<Path> plugins) throws IOException {
        Path root = Files.createDirectories(dir.resolve("plugins"));
        for (Path jar : plugins) {
            String name = jar.getFileName().toString().replaceAll("-[0-9].*", "");
            Files.copy(jar, Files.createDirectories(root.resolve(name)).resolve(jar.getFileName()));
        }
        return root;
    }

    /** The REST API. */
    public FlinkRest rest() {
        return rest;
    }

    /** What the JobManager (0) or a TaskManager (1, …) wrote. */
    public String output(int process) {
        return processes.get(process).output();
    }

    /** Demands that every process still runs. */
    public void alive() {
        processes.forEach(Proc::alive);
    }

    @Override
    public void close() {
        for (int i = processes.size() - 1; i >= 0; i--) {
            processes.get(i).close();
        }
    }
}
