package io.github.sluicemetrics.flink.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sluicemetrics.flink.series.Task;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HttpControlTest {
  private static final String DOCUMENT = "{\"v\":1,\"cv\":%d,\"rules\":[],\"labels\":[]}";

  @TempDir Path folder;
  private final ManualTimer timer = new ManualTimer();
  private final List<Request> requests = new ArrayList<>();
  private final Task task = new Task("t/1 ä", "my job");

  private static final class Request {
    URI address;
    String etag;
    Duration most;
    CompletableFuture<Fetcher.Reply> reply = new CompletableFuture<>();
  }

  private HttpControl control() {
    Fetcher fetcher =
        (from, etag, most) -> {
          Request r = new Request();
          r.address = from;
          r.etag = etag;
          r.most = most;
          requests.add(r);
          return r.reply;
        };
    return new HttpControl(URI.create("http://127.0.0.1:7070"), Duration.ofSeconds(20), fetcher, new DocumentStore(folder), timer,
        timer::nanos, () -> 0.5, () -> {});
  }

  private Request last() {
    return requests.get(requests.size() - 1);
  }

  private void answer(int status, String etag, String body) {
    last().reply.complete(new Fetcher.Reply(status, etag, RulesTest.bytes(body)));
    timer.advance(Duration.ZERO);
  }

  @Test
  void asksForTheDocumentOfTheTaskAndHasItObeyed() {
    HttpControl c = control();
    c.attend(List.of(task));
    timer.advance(Duration.ofSeconds(1));
    assertEquals(1, requests.size());
    assertEquals("http://127.0.0.1:7070/api/v1/collect/t%2F1%20%C3%A4?job=my%20job&wait=20s", last().address.toString());
    assertEquals("", last().etag);
    assertEquals(Duration.ofSeconds(30), last().most);
    answer(200, "\"a\"", String.format(DOCUMENT, 7));
    assertSame(Rules.NONE, task.rules(), "from the next report on");
    c.attend(List.of(task));
    assertEquals(7, task.rules().version());
    Rules before = task.rules();
    timer.advance(Duration.ofSeconds(2));
    assertEquals(2, requests.size());
    assertEquals("\"a\"", last().etag);
    timer.advance(Duration.ofSeconds(20));
    assertEquals(2, requests.size(), "one request at a time");
    answer(304, "", "");
    c.attend(List.of(task));
    assertSame(before, task.rules(), "decisions stay");
  }

  @Test
  void aServerThatDoesNotWaitIsNotAskedWithoutEnd() {
    HttpControl c = control();
    c.attend(List.of(task));
    for (int i = 0; i < 60; i++) {
      timer.advance(Duration.ofSeconds(1));
      if (!requests.isEmpty() && !last().reply.isDone()) {
        answer(304, "", "");
      }
    }
    assertTrue(requests.size() > 20 && requests.size() <= 60, requests.size() + " requests in a minute");
  }

  @Test
  void whateverGoesWrongTheLastGoodRulesStay() {
    HttpControl c = control();
    c.attend(List.of(task));
    timer.advance(Duration.ofSeconds(1));
    answer(200, "\"a\"", String.format(DOCUMENT, 7));
    int asked = requests.size();
    for (int status : new int[] {401, 403, 404, 500, 503, 200, 200, -1}) {
      timer.advance(Duration.ofSeconds(31));
      if (status < 0) {
        last().reply.completeExceptionally(new IOException("no answer"));
        timer.advance(Duration.ZERO);
      } else {
        answer(status, "\"b\"", "{\"v\":1,\"rules\":[");
      }
      c.attend(List.of(task));
      assertEquals(7, task.rules().version());
      assertTrue(requests.size() > asked, "it goes on asking");
      asked = requests.size();
    }
    timer.advance(Duration.ofSeconds(31));
    assertEquals("\"a\"", last().etag, "the tag of the document in force");
    assertTrue(c.age() > 100_000, "the source has not been heard for long: " + c.age());
  }

  @Test
  void pausesGrow() {
    control().attend(List.of(task));
    List<Long> at = new ArrayList<>();
    while (at.size() < 8) {
      timer.advance(Duration.ofMillis(100));
      if (requests.size() > at.size()) {
        at.add(timer.nanos());
        answer(503, "", "");
      }
    }
    long first = at.get(1) - at.get(0);
    long later = at.get(7) - at.get(6);
    assertTrue(first < 2_000_000_000L, "first pause " + first);
    assertTrue(later > 15_000_000_000L && later < 40_000_000_000L, "later pause " + later);
  }

  @Test
  void aProcessThatStartsWithoutTheServerObeysWhatWasKept() throws IOException {
    HttpControl c = control();
    c.attend(List.of(task));
    timer.advance(Duration.ofSeconds(1));
    answer(200, "\"a\"", String.format(DOCUMENT, 7));
    c.close();
    Task again = new Task(task.id(), task.job());
    control().attend(List.of(again));
    assertEquals(7, again.rules().version());
    try (var files = Files.list(folder)) {
      Path kept = files.findFirst().orElseThrow();
      Files.writeString(kept, "{\"v\":1,\"cv\":7,\"ru");
    }
    Task damaged = new Task(task.id(), task.job());
    control().attend(List.of(damaged));
    assertSame(Rules.NONE, damaged.rules(), "everything is sent");
  }

  @Test
  void pollsEndWithTheirTasks() {
    HttpControl c = control();
    Task other = new Task("t-2", "");
    c.attend(List.of(task, other));
    timer.advance(Duration.ofSeconds(1));
    assertEquals(2, requests.size());
    c.attend(List.of(other));
    assertTrue(requests.get(0).reply.isCancelled());
    requests.get(1).reply.complete(new Fetcher.Reply(304, "", new byte[0]));
    timer.advance(Duration.ofSeconds(3));
    assertEquals(3, requests.size());
    assertTrue(last().address.toString().contains("/t-2?wait"));
    c.close();
    assertTrue(last().reply.isCancelled());
    timer.advance(Duration.ofMinutes(2));
    assertEquals(3, requests.size());
  }

  @Test
  void thereIsABoundOnPolls() {
    List<Task> many = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      many.add(new Task("t-" + i, ""));
    }
    HttpControl c = control();
    c.attend(many);
    timer.advance(Duration.ofSeconds(1));
    assertEquals(HttpControl.MAX_POLLS, requests.size());
  }

  @Test
  void anAnswerThatStopsHalfWayIsGivenUp() {
    control().attend(List.of(task));
    timer.advance(Duration.ofSeconds(1));
    assertEquals(1, requests.size());
    timer.advance(Duration.ofSeconds(39));
    assertFalse(requests.get(0).reply.isDone(), "not before the client's own limit has passed");
    timer.advance(Duration.ofSeconds(5));
    assertTrue(requests.get(0).reply.isCancelled());
    assertEquals(2, requests.size());
  }

  @Test
  void aFetcherThatThrowsIsAskedAgain() {
    int[] asked = {0};
    Fetcher broken =
        (from, etag, most) -> {
          asked[0]++;
          throw new SecurityException("no");
        };
    HttpControl c = new HttpControl(URI.create("http://127.0.0.1:7070"), Duration.ofSeconds(20), broken, new DocumentStore(folder), timer,
        timer::nanos, () -> 0.5, () -> {});
    c.attend(List.of(task));
    timer.advance(Duration.ofMinutes(1));
    assertTrue(asked[0] > 2, asked[0] + " times");
  }

  @Test
  void theLastReportsGoByTheLastRules() {
    HttpControl c = control();
    c.attend(List.of(task));
    timer.advance(Duration.ofSeconds(1));
    answer(200, "\"a\"", String.format(DOCUMENT, 7));
    c.attend(List.of(task));
    c.close();
    Rules before = task.rules();
    int asked = requests.size();
    c.attend(List.of(task));
    timer.advance(Duration.ofMinutes(1));
    assertSame(before, task.rules());
    assertEquals(asked, requests.size());
  }
}
