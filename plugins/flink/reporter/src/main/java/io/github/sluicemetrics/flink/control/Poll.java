package io.github.sluicemetrics.flink.control;

import io.github.sluicemetrics.flink.pace.Backoff;
import io.github.sluicemetrics.flink.pace.QuietLog;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;

/** Asks for the document of one task, again and again. At most one request is under way. */
final class Poll {
  private static final int OK = 200;
  private static final int NOT_MODIFIED = 304;

  /** What an answer may take longer than the server was allowed to wait. */
  private static final Duration GRACE = Duration.ofSeconds(10);

  /** From one request to the next at least, in milliseconds: a server may not wait at all. */
  private static final long PACE = 1000;

  private final URI address;
  private final Duration wait;
  private final Fetcher fetcher;
  private final DocumentStore store;
  private final Timer timer;
  private final LongSupplier nanos;
  private final DoubleSupplier random;
  private final QuietLog complaints;
  private final Backoff backoff;
  private volatile Rules rules = Rules.NONE;
  private volatile long heard;
  private volatile boolean ended;
  private volatile CompletableFuture<?> request;
  private String etag = "";
  private long asked;

  Poll(
      URI address, Duration wait, Fetcher fetcher, DocumentStore store, Timer timer, LongSupplier nanos,
      DoubleSupplier random, QuietLog complaints) {
    this.address = address;
    this.wait = wait;
    this.fetcher = fetcher;
    this.store = store;
    this.timer = timer;
    this.nanos = nanos;
    this.random = random;
    this.complaints = complaints;
    this.backoff = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(30), nanos);
    this.heard = nanos.getAsLong();
  }

  /** Takes up the document kept on disk and begins to ask. */
  void begin() {
    rules = store.load(address.toString());
    later(0);
  }

  /** Stops asking. */
  void end() {
    ended = true;
    CompletableFuture<?> r = request;
    if (r != null) {
      r.cancel(true);
    }
  }

  Rules rules() {
    return rules;
  }

  long age() {
    return (nanos.getAsLong() - heard) / 1_000_000;
  }

  /** Asks after a pause and a little more, so that processes that start together do not stay together. */
  private void later(long millis) {
    long jitter = (long) (random.getAsDouble() * (PACE / 2 + millis / 2));
    timer.after(Duration.ofMillis(millis + jitter), this::ask);
  }

  private void ask() {
    if (ended) {
      return;
    }
    asked = nanos.getAsLong();
    CompletableFuture<Fetcher.Reply> reply;
    try {
      reply = fetcher.get(address, etag, wait.plus(GRACE));
    } catch (RuntimeException | LinkageError e) {
      reply = CompletableFuture.failedFuture(e);
    }
    request = reply;
    reply.whenComplete((r, why) -> timer.after(Duration.ZERO, () -> answered(r, why)));
    CompletableFuture<?> waiting = reply;
    timer.after(wait.plus(GRACE).plus(GRACE), () -> waiting.cancel(true)); // a body may stop half way
  }

  private void answered(Fetcher.Reply r, Throwable why) {
    if (ended) {
      return;
    }
    Throwable failure = why == null ? take(r) : why;
    if (failure != null) {
      complaints.warn("no control document from " + address.getAuthority() + ", the last good rules stay in force", failure);
      backoff.failed();
      later(backoff.pause().toMillis() / 2);
      return;
    }
    heard = nanos.getAsLong();
    backoff.reset();
    later(Math.max(0, PACE - (nanos.getAsLong() - asked) / 1_000_000));
  }

  /** Takes what the server says and returns what is wrong with it, or null. */
  private Throwable take(Fetcher.Reply r) {
    if (r.status == NOT_MODIFIED) {
      return null;
    }
    if (r.status != OK) {
      return new IOException("status " + r.status);
    }
    try {
      rules = Rules.parse(r.body);
      etag = r.etag;
      store.keep(address.toString(), r.body);
      return null;
    } catch (RuntimeException | LinkageError | StackOverflowError e) {
      return e;
    }
  }
}
