package io.github.sluicemetrics.flink.it.jobs;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiter;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiterStrategy;

/**
 * Lets a source emit so many records a second, and none while the knob "pause" is on. The reader
 * waits for a future, so checkpoints pass all the time.
 */
public final class Gate<S extends SourceSplit> implements RateLimiter<S> {
    private static final long STEP_MS = 50;
    private static final Executor LATER = CompletableFuture.delayedExecutor(STEP_MS, TimeUnit.MILLISECONDS);

    private final Knobs knobs;
    private final double perNano;
    private final double burst;
    private double permits;
    private long filled = System.nanoTime();

    private Gate(Knobs knobs, double perSecond) {
        this.knobs = knobs;
        this.perNano = perSecond / 1e9;
        this.burst = Math.max(1, perSecond * 2 * STEP_MS / 1000);
    }

    /** A gate for all readers of a source together. */
    public static <S extends SourceSplit> RateLimiterStrategy<S> perSecond(Knobs knobs, double records) {
        return parallelism -> new Gate<>(knobs, records / parallelism);
    }

    @Override
    public CompletionStage<Void> acquire() {
        return acquire(1);
    }

    @Override
    public CompletionStage<Void> acquire(int records) {
        CompletableFuture<Void> granted = new CompletableFuture<>();
        pass(granted);
        return granted;
    }

    private void pass(CompletableFuture<Void> granted) {
        if (take()) {
            granted.complete(null);
        } else {
            LATER.execute(() -> pass(granted));
        }
    }

    /** Asks the knob only when it must refill, not for every record. */
    private synchronized boolean take() {
        if (permits < 1) {
            long now = System.nanoTime();
            if (!knobs.on(Knobs.PAUSE)) {
                permits = Math.min(permits + (now - filled) * perNano, burst);
            }
            filled = now;
        }
        if (permits < 1) {
            return false;
        }
        permits--;
        return true;
    }
}
