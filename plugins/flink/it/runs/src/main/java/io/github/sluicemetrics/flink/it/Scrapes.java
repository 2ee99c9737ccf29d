package io.github.sluicemetrics.flink.it;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The Prometheus reporters of a cluster's processes, each at some port of a range. */
final class Scrapes {
    private static final int RANGE = 20;
    private static final Duration START = Duration.ofSeconds(30);

    private final List<Scrape> processes = new ArrayList<>();

    /** Finds so many processes from this port on. */
    Scrapes(int from, int count) {
        Await.until(count + " Prometheus reporters", START, () -> {
            processes.clear();
            for (int port = from; port <= from + RANGE && processes.size() < count; port++) {
                Scrape scrape = new Scrape(port);
                if (answers(scrape)) {
                    processes.add(scrape);
                }
            }
            return processes.size() == count;
        });
    }

    /** Ports as Flink's option wants them. */
    static String range(int from) {
        return from + "-" + (from + RANGE);
    }

    /** In the order of their ports. */
    List<Scrape> processes() {
        return processes;
    }

    private static boolean answers(Scrape scrape) {
        try {
            return !scrape.text().isEmpty();
        } catch (IOException e) {
            return false;
        }
    }
}
