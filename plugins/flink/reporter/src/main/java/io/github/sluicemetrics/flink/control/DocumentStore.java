package io.github.sluicemetrics.flink.control;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
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

  private final Path folder;

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
      return Rules.parse(Files.readAllBytes(file));
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
      Files.createDirectories(folder);
      Path part = Files.createTempFile(folder, "sluice-collect-", ".part");
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

  /** Returns the file of a source. */
  Path file(String source) {
    try {
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(source.getBytes(StandardCharsets.UTF_8));
      StringBuilder name = new StringBuilder("sluice-collect-");
      for (byte b : Arrays.copyOf(sum, 10)) {
        name.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
      }
      return folder.resolve(name.append(".json").toString());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
