package io.github.sluicemetrics.flink.control;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against a real server. */
class HttpFetcherTest {
  private static final Duration MOST = Duration.ofSeconds(20);

  @TempDir Path folder;
  private final ControlThread thread = new ControlThread();
  private final BlockingQueue<String> seen = new ArrayBlockingQueue<>(10);
  private HttpServer server;
  private URI address;
  private int status = 200;
  private byte[] body = RulesTest.bytes("{}");

  @BeforeEach
  void serve() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", x -> {
      seen.add(x.getRequestHeaders().getFirst("Authorization") + " " + x.getRequestHeaders().getFirst("If-None-Match"));
      x.getResponseHeaders().set("ETag", "\"e\"");
      x.getResponseHeaders().set("Location", "/elsewhere");
      boolean empty = status == 304;
      x.sendResponseHeaders(status, empty ? -1 : body.length);
      if (!empty) {
        try {
          x.getResponseBody().write(body);
        } catch (IOException e) {
          // the client has had enough
        }
      }
      x.close();
    });
    server.start();
    address = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/api/v1/collect/t");
  }

  @AfterEach
  void stop() {
    server.stop(0);
    thread.close();
  }

  private Fetcher.Reply get(String token, String etag) throws Exception {
    Token t = new Token(token, Map.of("SECRET", "hush\n")::get);
    return new HttpFetcher(t, thread).get(address, etag, MOST).get(20, TimeUnit.SECONDS);
  }

  @Test
  void tellsTokenAndTag() throws Exception {
    Fetcher.Reply r = get("env://SECRET", "\"d\"");
    assertEquals(200, r.status);
    assertEquals("\"e\"", r.etag);
    assertArrayEquals(body, r.body);
    assertEquals("Bearer hush \"d\"", seen.remove());
    get("", "");
    assertEquals("null null", seen.remove());
    Path file = Files.writeString(folder.resolve("token"), "s3cret\n");
    get("file://" + file, "");
    assertEquals("Bearer s3cret null", seen.remove());
  }

  @Test
  void doesNotFollowElsewhere() throws Exception {
    status = 302;
    assertEquals(302, get("", "").status);
    assertEquals(1, seen.size());
  }

  @Test
  void notModifiedHasNoBody() throws Exception {
    status = 304;
    assertEquals(304, get("", "\"e\"").status);
  }

  @Test
  void doesNotAskWithoutItsToken() {
    for (String token : new String[] {"env://NONE", "file://" + folder.resolve("none")}) {
      ExecutionException e = assertThrows(ExecutionException.class, () -> get(token, ""));
      assertEquals(true, e.getCause() instanceof IOException);
    }
    assertEquals(0, seen.size());
  }

  @Test
  void neverTellsTheToken() throws IOException {
    Path file = Files.writeString(folder.resolve("token"), "s3cret\nmore");
    ExecutionException e = assertThrows(ExecutionException.class, () -> get("file://" + file, ""));
    assertFalse(e.toString().contains("s3cret"), e.toString());
    assertEquals(0, seen.size());
  }

  @Test
  void givesUpAnAnswerWithoutEnd() {
    body = new byte[17 << 20];
    ExecutionException e = assertThrows(ExecutionException.class, () -> get("", ""));
    assertEquals("the answer is too large", e.getCause().getMessage());
  }
}
