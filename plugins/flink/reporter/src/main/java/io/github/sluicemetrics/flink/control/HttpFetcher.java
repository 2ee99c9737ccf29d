package io.github.sluicemetrics.flink.control;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/** Asks by Java's own client. */
public final class HttpFetcher implements Fetcher {
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final int MAX_BYTES = 16 << 20;

  private final HttpClient client;
  private final Token token;

  /**
   * @param executor for the client's work
   */
  public HttpFetcher(Token token, Executor executor) {
    this.token = token;
    this.client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(CONNECT)
            .executor(executor)
            .build();
  }

  @Override
  public CompletableFuture<Reply> get(URI from, String etag, Duration most) {
    HttpRequest.Builder request = HttpRequest.newBuilder(from).timeout(most).header("Accept", "application/json");
    try {
      String secret = token.read();
      if (!secret.isEmpty()) {
        request.header("Authorization", "Bearer " + secret);
      }
      if (!etag.isEmpty()) {
        request.header("If-None-Match", etag);
      }
    } catch (IOException | IllegalArgumentException e) {
      return CompletableFuture.failedFuture(e);
    }
    CompletableFuture<HttpResponse<byte[]>> sent = client.sendAsync(request.build(), info -> new BoundedBody(MAX_BYTES));
    CompletableFuture<Reply> reply = sent.thenApply(HttpFetcher::reply);
    reply.whenComplete((r, why) -> {
      if (reply.isCancelled()) {
        sent.cancel(true);
      }
    });
    return reply;
  }

  private static Reply reply(HttpResponse<byte[]> r) {
    return new Reply(r.statusCode(), r.headers().firstValue("ETag").orElse(""), r.body());
  }
}
