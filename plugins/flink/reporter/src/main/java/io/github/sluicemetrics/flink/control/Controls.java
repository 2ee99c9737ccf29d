package io.github.sluicemetrics.flink.control;

import io.github.sluicemetrics.flink.kafka.ConsumerOptions;
import io.github.sluicemetrics.flink.options.Options;
import io.github.sluicemetrics.flink.options.Settings;
import java.util.concurrent.ThreadLocalRandom;

/** Chooses the source of rules by the options. */
public final class Controls {
  private Controls() {}

  /** Returns the source, already at work. */
  public static Control of(Settings s) {
    DocumentStore store = new DocumentStore(s.controlDir());
    if (!s.get(Options.CONTROL_TOPIC).isEmpty()) {
      String brokers = s.get(Options.BOOTSTRAP);
      return new TopicControl(s.get(Options.CONTROL_TOPIC), brokers, ConsumerOptions.maker(s), store, System::nanoTime).start();
    }
    if (s.get(Options.CONTROL_URL) == null) {
      return Control.NONE;
    }
    ControlThread thread = new ControlThread();
    HttpFetcher fetcher = new HttpFetcher(new Token(s.get(Options.CONTROL_TOKEN), s::environment), thread);
    return new HttpControl(
        s.get(Options.CONTROL_URL), s.get(Options.CONTROL_WAIT), fetcher, store, thread, System::nanoTime,
        () -> ThreadLocalRandom.current().nextDouble(), thread::close);
  }
}
