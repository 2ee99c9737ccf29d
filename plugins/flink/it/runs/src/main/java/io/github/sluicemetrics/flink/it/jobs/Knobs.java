package io.github.sluicemetrics.flink.it.jobs;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Switches that turn while a job runs, whatever process it runs in: files in a folder. A knob is on
 * while its file is there.
 */
public final class Knobs implements Serializable {
    private static final long serialVersionUID = 1;

    /** Sources emit nothing; everything else goes on. */
    public static final String PAUSE = "pause";
    /** The next record fails the job. */
    public static final String FAIL = "fail";
    /** The next checkpoint takes too long and expires; the job goes on. */
    public static final String STALL_CHECKPOINT = "stall-checkpoint";
    /** The consumer takes its time for every record. */
    public static final String SLOW = "slow";

    private final String dir;

    /** The knobs of this folder. */
    public Knobs(String dir) {
        this.dir = dir;
    }

    /** The folder. */
    public String dir() {
        return dir;
    }

    /** Whether it is on. Asks the file system. */
    public boolean on(String knob) {
        return Files.exists(Path.of(dir, knob));
    }

    /** Whether it was on; it is off now. Of several that ask, one is told. */
    public boolean take(String knob) {
        try {
            Files.delete(Path.of(dir, knob));
            return true;
        } catch (NoSuchFileException e) {
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Turns it. */
    public void turn(String knob, boolean on) {
        try {
            if (on) {
                Files.writeString(Path.of(dir, knob), "");
            } else {
                Files.deleteIfExists(Path.of(dir, knob));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
