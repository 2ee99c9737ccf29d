package io.github.sluicemetrics.flink.it.jobs;

import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;

/** Counts records per key, and obeys the knobs: fails, lets a checkpoint expire, or takes its time. */
public final class Counting extends RichMapFunction<Long, Long> implements CheckpointedFunction {
    private static final long serialVersionUID = 1;
    private static final int ASK_EVERY_MS = 50;
    private static final long SLOW_NANOS = 4_000_000;
    private static final long STALL_NANOS = 2_000_000L * ShopJob.CHECKPOINT_TIMEOUT_MS;

    private final Knobs knobs;
    private final long failAfter;

    private transient ValueState<Long> counts;
    private transient long records;
    private transient long asked;
    private transient boolean slow;

    /** Fails by itself after so many records of a subtask's first attempt; never when that is 0. */
    public Counting(Knobs knobs, long failAfter) {
        this.knobs = knobs;
        this.failAfter = failAfter;
    }

    @Override
    public void open(OpenContext context) {
        counts = getRuntimeContext().getState(new ValueStateDescriptor<>("counts", Long.class));
    }

    @Override
    public Long map(Long value) throws Exception {
        records++;
        boolean first = getRuntimeContext().getTaskInfo().getAttemptNumber() == 0;
        long now = System.currentTimeMillis();
        if (now - asked >= ASK_EVERY_MS) {
            asked = now;
            slow = knobs.on(Knobs.SLOW);
            if (knobs.take(Knobs.FAIL)) {
                fail();
            }
        }
        if (first && records == failAfter) {
            fail();
        }
        if (slow) {
            LockSupport.parkNanos(SLOW_NANOS);
        }
        Long count = counts.value();
        counts.update(count == null ? 1 : count + 1);
        return value;
    }

    private static void fail() {
        throw new IllegalStateException("failed on demand at " + System.currentTimeMillis());
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) {
        if (knobs.take(Knobs.STALL_CHECKPOINT)) {
            LockSupport.parkNanos(STALL_NANOS);
        }
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {
        asked = 0;
    }
}
