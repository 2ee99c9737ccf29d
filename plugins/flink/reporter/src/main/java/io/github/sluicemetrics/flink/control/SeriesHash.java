package io.github.sluicemetrics.flink.control;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;

/**
 * The hash that sample rules compare with their share: FNV-1a of 64 bits, mixed at the end. Sluice
 * computes the same, so it never changes.
 */
final class SeriesHash {
  private static final long OFFSET = 0xcbf29ce484222325L;
  private static final long PRIME = 0x100000001b3L;

  /** Labels that change when a job starts again or moves, which must not change what is sampled. */
  private static final Set<String> INCARNATION =
      Set.of("host", "job_id", "task_attempt_id", "task_attempt_num", "tm_id");

  private SeriesHash() {}

  static long of(Subject x) {
    long h = add(add(OFFSET, x.task()), x.series());
    for (Map.Entry<String, String> l : x.labels().entrySet()) {
      if (!INCARNATION.contains(l.getKey())) {
        h = add(add(h, l.getKey()), l.getValue());
      }
    }
    return mix(h);
  }

  private static long add(long h, String s) {
    for (byte b : s.getBytes(StandardCharsets.UTF_8)) {
      h = (h ^ (b & 0xff)) * PRIME;
    }
    return (h ^ 0xff) * PRIME; // no byte of UTF-8: keeps "a","bc" apart from "ab","c"
  }

  /** The finalizer of MurmurHash3: every bit of x changes half of the result. */
  static long mix(long x) {
    x ^= x >>> 33;
    x *= 0xff51afd7ed558ccdL;
    x ^= x >>> 33;
    x *= 0xc4ceb9fe1a85ec53L;
    return x ^ x >>> 33;
  }
}
