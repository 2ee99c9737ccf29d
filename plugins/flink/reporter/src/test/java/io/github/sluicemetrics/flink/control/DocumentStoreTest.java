package io.github.sluicemetrics.flink.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DocumentStoreTest {
  private static final byte[] DOCUMENT = RulesTest.bytes("{\"v\":1,\"cv\":7}");

  @TempDir Path folder;

  private Path old(String source) throws IOException {
    new DocumentStore(folder).keep(source, DOCUMENT);
    Path file = new DocumentStore(folder).file(source);
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(Duration.ofDays(31))));
    return file;
  }

  @Test
  void whatTasksLongGoneHaveLeftIsDeleted() throws IOException {
    Path used = old("used");
    assertEquals(7, new DocumentStore(folder).load("used").version());
    Path gone = old("gone");
    Path foreign = Files.createFile(folder.resolve("other"));
    Files.setLastModifiedTime(foreign, FileTime.from(Instant.EPOCH));
    DocumentStore store = new DocumentStore(folder);
    store.keep("new", DOCUMENT);
    assertFalse(Files.exists(gone));
    assertTrue(Files.exists(used), "loaded today");
    assertTrue(Files.exists(foreign));
    Path later = old("later");
    store.keep("new", DOCUMENT);
    assertTrue(Files.exists(later), "not looked for with each document");
  }

  @Test
  void theFolderMayBeALink() throws IOException {
    Path link = Files.createSymbolicLink(folder.resolve("link"), Files.createDirectory(folder.resolve("real")));
    DocumentStore store = new DocumentStore(link);
    store.keep("s", DOCUMENT);
    assertEquals(7, store.load("s").version());
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(store.file("s"))));
    try (var files = Files.list(link)) {
      assertEquals(1, files.count(), "no parts stay");
    }
  }

  @Test
  void whatCannotBeKeptHarmsNothing() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    DocumentStore store = new DocumentStore(file);
    store.keep("s", DOCUMENT);
    store.keep("s", null);
    assertSame(Rules.NONE, store.load("s"));
  }
}
