package io.github.sluicemetrics.flink.control;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the last good document of a source on disk, for a process that starts while the source is away.
 * Processes of one host may share a folder: a file is replaced as a whole or not at all.
 */
public final class DocumentStore {
  private static final Logger LOG = LoggerFactory.getLogger(DocumentStore.class);

  /** Files above this are not read: no document is as large. */
  private static final long MAX_BYTES = 16L << 20;

  /** A document that was neither kept nor loaded for as long is of a task that is gone. */
  private static final Duration FORGOTTEN = Duration.ofDays(30);

  private static final Duration BETWEEN_LOOKS = Duration.ofDays(1);
  private static final String BEGINNING = "sluice-collect-";

  private final Path folder;
  private Instant looked = Instant.MIN;

  public DocumentStore(Path folder) {
    this.folder = folder;
  }

  /** Returns the rules last kept for a source, or none. A damaged file is ignored, with a warning. */
  public Rules load(String source) {
    Path file = file(source);
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new IOException("larger than " + MAX_BYTES + " bytes");
      }
      Rules rules = Rules.parse(Files.readAllBytes(file));
      touch(file);
      return rules;
    } catch (NoSuchFileException e) {
      return Rules.NONE;
    } catch (IOException | RuntimeException e) {
      LOG.warn("the control document in {} is not used: {}", file, e.toString());
      return Rules.NONE;
    }
  }

  /** Keeps the document of a source, or with null none. That it cannot be kept is only logged. */
  public void keep(String source, byte[] document) {
    Path file = file(source);
    try {
      if (document == null) {
        Files.deleteIfExists(file);
        return;
      }
      if (!Files.isDirectory(folder)) { // a link to one counts
        Files.createDirectories(folder);
      }
      forget();
      Path part = Files.createTempFile(folder, BEGINNING, ".part");
      try {
        Files.write(part, document);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException | RuntimeException e) {
      LOG.warn("the control document cannot be kept in {}: {}", file, e.toString());
    }
  }

  /** Deletes what is of tasks long gone: a session cluster has new ones every day. */
  private synchronized void forget() {
    Instant now = Instant.now();
    if (looked.isAfter(now.minus(BETWEEN_LOOKS))) {
      return;
    }
    looked = now;
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, BEGINNING + "*")) {
      for (Path f : files) {
        forget(f, now.minus(FORGOTTEN));
      }
    } catch (IOException | DirectoryIteratorException e) {
      LOG.debug("looking for old documents in {}", folder, e);
    }
  }

  private static void forget(Path file, Instant before) {
    try {
      if (Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS).toInstant().isBefore(before)) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      LOG.debug("an old document stays: {}", file, e); // another process was first, or owns it
    }
  }

  private static void touch(Path file) {
    try {
      Files.setLastModifiedTime(file, FileTime.from(Instant.now()));
    } catch (IOException e) {
      LOG.debug("{} belongs to somebody else", file, e);
    }
  }

  /** Returns the file of a source. */
  Path file(String source) {
    try {
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(source.getBytes(StandardCharsets.UTF_8));
      StringBuilder name = new StringBuilder(BEGINNING);
      for (byte b : Arrays.copyOf(sum, 10)) {
        name.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
      }
      return folder.resolve(name.append(".json").toString());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
