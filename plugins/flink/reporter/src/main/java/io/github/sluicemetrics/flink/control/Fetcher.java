package io.github.sluicemetrics.flink.control;

import java.net.URI;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/** Asks a server for a document. */
interface Fetcher {
  /**
   * Asks once, without waiting.
   *
   * @param etag of the document known, "" for none
   * @param most how long the answer may take
   * @return the answer, or why there was none
   */
  CompletableFuture<Reply> get(URI from, String etag, Duration most);

  /** What a server says. */
  final class Reply {
    final int status;
    final String etag;
    final byte[] body;

    Reply(int status, String etag, byte[] body) {
      this.status = status;
      this.etag = etag;
      this.body = body;
    }
  }
}
