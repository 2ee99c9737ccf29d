package io.github.sluicemetrics.flink;

import java.util.UUID;

/** Names instances of reporters. */
final class Instance {
  private static final int DIGITS = 12;

  private Instance() {}

  /** Returns 12 hexadecimal digits that no other instance has. */
  static String id() {
    String random = UUID.randomUUID().toString().replace("-", "");
    return random.substring(random.length() - DIGITS); // the first ones say which form of UUID it is
  }
}
