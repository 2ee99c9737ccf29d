package io.github.sluicemetrics.flink.it;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;

/** Waits for conditions of other processes: the one place that polls. */
public final class Await {
    private static final Duration STEP = Duration.ofMillis(100);

    private Await() {}

    /**
     * Asks until the condition holds. An exception of the condition counts as "not yet".
     *
     * @throws AssertionError when it does not hold in time; it names what was waited for and why not
     */
    public static void until(String what, Duration limit, Callable<Boolean> condition) {
        value(what, limit, () -> condition.call() ? Boolean.TRUE : null);
    }

    /** Asks until the supplier gives something other than null, and returns that. */
    public static <T> T value(String what, Duration limit, Callable<T> supplier) {
        long end = System.nanoTime() + limit.toNanos();
        Exception last = null;
        while (true) {
            try {
                T got = supplier.call();
                if (got != null) {
                    return got;
                }
                last = null;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AssertionError("interrupted while waiting for " + what, e);
            } catch (Exception e) {
                last = e;
            }
            if (System.nanoTime() > end) {
                throw new AssertionError("after " + limit + " still no " + what, last);
            }
            LockSupport.parkNanos(STEP.toNanos());
        }
    }

    /** Lets time pass where the time itself is what is meant: an outage, a phase of a recording. */
    public static void pass(Duration time) {
        long end = System.nanoTime() + time.toNanos();
        for (long left = time.toNanos(); left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }
}
