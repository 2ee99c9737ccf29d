package io.github.sluicemetrics.flink.json;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A growing buffer of JSON in UTF-8, made to be used again: after {@link #clear()} it writes without
 * allocating until it has to grow. It does not check that what is appended adds up to JSON. Not for
 * use by several threads.
 */
public final class JsonBytes {
  private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] SMALLEST = "-9223372036854775808".getBytes(StandardCharsets.US_ASCII);

  /** Whole numbers below this are exact as a double and shorter as an integer. */
  private static final double EXACT = 1L << 53;

  private byte[] bytes;
  private int length;

  public JsonBytes(int capacity) {
    bytes = new byte[capacity];
  }

  /** Returns the number of bytes written. */
  public int length() {
    return length;
  }

  /** Forgets everything and keeps the memory. */
  public JsonBytes clear() {
    length = 0;
    return this;
  }

  /** Forgets everything behind the first {@code to} bytes. */
  public void truncate(int to) {
    length = Math.min(length, to);
  }

  /** Returns a copy of what was written. */
  public byte[] toBytes() {
    return Arrays.copyOf(bytes, length);
  }

  /** Returns a copy of what was written from a position on. */
  public byte[] tail(int from) {
    return Arrays.copyOfRange(bytes, from, length);
  }

  @Override
  public String toString() {
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }

  /** Appends bytes that are JSON already. */
  public JsonBytes raw(byte[] json) {
    room(json.length);
    System.arraycopy(json, 0, bytes, length, json.length);
    length += json.length;
    return this;
  }

  /** Appends a piece of JSON in ASCII. */
  public JsonBytes raw(String ascii) {
    int n = ascii.length();
    room(n);
    for (int i = 0; i < n; i++) {
      bytes[length++] = (byte) ascii.charAt(i);
    }
    return this;
  }

  /** Appends one ASCII character. */
  public JsonBytes raw(char ascii) {
    room(1);
    bytes[length++] = (byte) ascii;
    return this;
  }

  /**
   * Appends a JSON string with its quotes. Half of a surrogate pair, which no UTF-8 can hold, becomes
   * U+FFFD.
   */
  public JsonBytes text(String s) {
    int n = s.length();
    room(2 + n);
    bytes[length++] = '"';
    for (int i = 0; i < n; i++) {
      char c = s.charAt(i);
      if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
        room(1);
        bytes[length++] = (byte) c;
      } else if (c < 0x80) {
        escape(c);
      } else if (Character.isHighSurrogate(c) && i + 1 < n && Character.isLowSurrogate(s.charAt(i + 1))) {
        codePoint(Character.toCodePoint(c, s.charAt(++i)));
      } else {
        codePoint(Character.isSurrogate(c) ? 0xfffd : c);
      }
    }
    return raw('"');
  }

  private void escape(char c) {
    switch (c) {
      case '"':
      case '\\':
        raw('\\').raw(c);
        break;
      case '\n':
        raw("\\n");
        break;
      case '\t':
        raw("\\t");
        break;
      case '\r':
        raw("\\r");
        break;
      default:
        raw("\\u00").raw((char) HEX[c >> 4]).raw((char) HEX[c & 15]);
    }
  }

  private void codePoint(int c) {
    room(4);
    if (c < 0x800) {
      bytes[length++] = (byte) (0xc0 | c >> 6);
    } else {
      if (c < 0x10000) {
        bytes[length++] = (byte) (0xe0 | c >> 12);
      } else {
        bytes[length++] = (byte) (0xf0 | c >> 18);
        bytes[length++] = (byte) (0x80 | c >> 12 & 0x3f);
      }
      bytes[length++] = (byte) (0x80 | c >> 6 & 0x3f);
    }
    bytes[length++] = (byte) (0x80 | c & 0x3f);
  }

  /** Appends an integer, every digit of it. */
  public JsonBytes number(long v) {
    if (v == Long.MIN_VALUE) {
      return raw(SMALLEST);
    }
    room(SMALLEST.length);
    if (v < 0) {
      bytes[length++] = '-';
      v = -v;
    }
    int end = length + digits(v);
    length = end;
    do {
      bytes[--end] = (byte) ('0' + v % 10);
      v /= 10;
    } while (v != 0);
    return this;
  }

  private static int digits(long v) {
    int n = 1;
    for (long x = v; x >= 10; x /= 10) {
      n++;
    }
    return n;
  }

  /**
   * Appends a number that reads back as the same double, or for what JSON has no number for one of
   * the strings "NaN", "Inf" and "-Inf".
   */
  public JsonBytes number(double v) {
    if (Double.isNaN(v)) {
      return raw("\"NaN\"");
    }
    if (Double.isInfinite(v)) {
      return raw(v > 0 ? "\"Inf\"" : "\"-Inf\"");
    }
    long whole = (long) v;
    if (whole == v && Math.abs(v) < EXACT && (whole != 0 || Double.doubleToRawLongBits(v) == 0)) {
      return number(whole);
    }
    return raw(Double.toString(v));
  }

  private void room(int n) {
    if (bytes.length - length < n) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, length + n));
    }
  }
}
