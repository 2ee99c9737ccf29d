package io.github.sluicemetrics.flink.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.TopicExistsException;

/**
 * A Kafka broker and controller in one process, on loopback, that can be killed and started again
 * with what it had on disk. Its topics stamp records with the broker's clock.
 */
public final class Broker implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(60);

    private final Path dir = Home.work("kafka");
    private final int port = Home.port();
    private final Path properties = dir.resolve("server.properties");
    private Proc process;

    /** Reserves the port and formats the storage; nothing listens yet. */
    public Broker() {
        int controller = Home.port();
        String text = String.join("\n",
                "process.roles=broker,controller",
                "node.id=1",
                "controller.quorum.bootstrap.servers=127.0.0.1:" + controller,
                "listeners=PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controller,
                "advertised.listeners=PLAINTEXT://127.0.0.1:" + port,
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "controller.listener.names=CONTROLLER",
                "log.dirs=" + dir.resolve("data"),
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=4",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "share.coordinator.state.topic.replication.factor=1",
                "share.coordinator.state.topic.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                "log.message.timestamp.type=LogAppendTime",
                "num.partitions=4",
                "");
        try {
            Files.writeString(properties, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<String> format = List.of("kafka.tools.StorageTool", "format", "--standalone",
                "-t", Uuid.randomUuid().toString(), "-c", properties.toString());
        try (Proc p = Proc.java("format", dir, Home.kafka(), List.of(), format, Map.of())) {
            p.success(START);
        }
    }

    /** host:port, known before the broker runs. */
    public String address() {
        return "127.0.0.1:" + port;
    }

    /** Starts the process and waits until it answers. */
    public Broker start() {
        process = Proc.java("broker", dir, Home.kafka(), List.of("-Xmx512m"),
                List.of("kafka.Kafka", properties.toString()), Map.of());
        Await.until("broker at " + address(), START, () -> {
            process.alive();
            return !topics().contains("");
        });
        return this;
    }

    /** Ends the process as kill -9 does. */
    public void kill() {
        process.kill();
    }

    /** Makes topics of four partitions where they are missing. */
    public void create(String... names) {
        Collection<NewTopic> wanted = List.of(names).stream()
                .map(n -> new NewTopic(n, 4, (short) 1))
                .collect(Collectors.toList());
        try (Admin admin = admin()) {
            admin.createTopics(wanted).all().get();
        } catch (Exception e) {
            if (!(e.getCause() instanceof TopicExistsException)) {
                throw new AssertionError(e);
            }
        }
    }

    private Set<String> topics() throws Exception {
        try (Admin admin = admin()) {
            return admin.listTopics().names().get();
        }
    }

    private Admin admin() {
        return Admin.create(Map.of(
                "bootstrap.servers", address(), "default.api.timeout.ms", "5000", "request.timeout.ms", "5000"));
    }

    @Override
    public void close() {
        if (process != null) {
            process.kill();
        }
    }
}
