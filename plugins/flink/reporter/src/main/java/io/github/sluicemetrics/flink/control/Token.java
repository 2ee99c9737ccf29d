package io.github.sluicemetrics.flink.control;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;

/** A secret by reference: it is looked up when it is needed, so that it may change, and never printed. */
public final class Token {
  private static final String ENVIRONMENT = "env://";

  private final String reference;
  private final UnaryOperator<String> environment;

  /**
   * @param reference env://NAME or file:///path, "" for no token
   */
  public Token(String reference, UnaryOperator<String> environment) {
    this.reference = reference;
    this.environment = environment;
  }

  /**
   * Returns the token, "" where none is set.
   *
   * @throws IOException when the reference leads nowhere, or not to a token
   */
  String read() throws IOException {
    if (reference.isEmpty()) {
      return "";
    }
    String found;
    if (reference.startsWith(ENVIRONMENT)) {
      found = environment.apply(reference.substring(ENVIRONMENT.length()));
    } else {
      found = Files.readString(Path.of(URI.create(reference)), StandardCharsets.UTF_8);
    }
    if (found == null || found.isBlank()) {
      throw new IOException("there is nothing at " + reference);
    }
    String token = found.trim();
    if (!token.chars().allMatch(c -> c > ' ' && c < 0x7f)) { // the client would refuse it, and print it
      throw new IOException("what is at " + reference + " is no token");
    }
    return token;
  }
}
