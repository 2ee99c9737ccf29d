package io.github.sluicemetrics.flink.it;

import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.minicluster.RpcServiceSharing;
import org.apache.flink.streaming.api.environment.RemoteStreamEnvironment;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** A JobManager and a TaskManager inside this JVM. Reporters come from the class path. */
public final class MiniFlink implements AutoCloseable {
    private final Configuration configuration;
    private final MiniCluster cluster;
    private final FlinkRest rest;
    private final int port;

    /** Starts a cluster with this many slots. */
    public MiniFlink(Options options, int slots) throws Exception {
        options.with("rest.bind-port", "0").with("taskmanager.memory.managed.size", "64m")
                .with("taskmanager.memory.network.min", "256m").with("taskmanager.memory.network.max", "256m");
        configuration = Configuration.fromMap(options.map());
        cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
                .setConfiguration(configuration)
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(slots)
                .setRpcServiceSharing(RpcServiceSharing.SHARED)
                .build());
        cluster.start();
        port = cluster.getRestAddress().get().getPort();
        rest = new FlinkRest(url());
    }

    /** Where the REST API is. */
    public String url() {
        return "http://127.0.0.1:" + port;
    }

    /** The REST API. */
    public FlinkRest rest() {
        return rest;
    }

    /** A place to define a job that is then submitted to this cluster. */
    public StreamExecutionEnvironment environment(int parallelism) {
        StreamExecutionEnvironment env = new RemoteStreamEnvironment("127.0.0.1", port, configuration);
        env.setParallelism(parallelism);
        return env;
    }

    /** The cluster itself. */
    public MiniCluster cluster() {
        return cluster;
    }

    @Override
    public void close() {
        cluster.closeAsync().orTimeout(60, TimeUnit.SECONDS).join();
    }
}
