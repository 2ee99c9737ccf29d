package io.github.sluicemetrics.flink.json;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Reads JSON into maps, lists, strings, {@link BigDecimal}s, booleans and nulls. It is strict, bounded in
 * depth, and meant for small documents off the hot path. Of several members with one name the last
 * counts.
 */
public final class JsonReader {
  private static final int MAX_DEPTH = 64;

  /** Digits beyond these in a number would take time out of proportion. */
  private static final int MAX_NUMBER = 400;

  private final String text;
  private int at;
  private int depth;

  private JsonReader(String text) {
    this.text = text;
  }

  /**
   * Returns the value that the bytes are.
   *
   * @throws IllegalArgumentException when they are no JSON in UTF-8; the message says where
   */
  public static Object read(byte[] json) {
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json)).toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("not UTF-8", e);
    }
    JsonReader r = new JsonReader(text);
    Object v = r.value();
    r.space();
    if (r.at < text.length()) {
      throw r.wrong("the end");
    }
    return v;
  }

  private IllegalArgumentException wrong(String wanted) {
    String found = at < text.length() ? "'" + text.charAt(at) + "'" : "the end";
    return new IllegalArgumentException("character " + at + ": " + found + " where " + wanted + " belongs");
  }

  private void space() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
  }

  private char peek() {
    space();
    return at < text.length() ? text.charAt(at) : 0;
  }

  private boolean take(char c) {
    if (peek() != c) {
      return false;
    }
    at++;
    return true;
  }

  private void expect(char c) {
    if (!take(c)) {
      throw wrong("'" + c + "'");
    }
  }

  private Object value() {
    switch (peek()) {
      case '{':
        return nested(this::object);
      case '[':
        return nested(this::array);
      case '"':
        return string();
      case 't':
        return word("true", Boolean.TRUE);
      case 'f':
        return word("false", Boolean.FALSE);
      case 'n':
        return word("null", null);
      default:
        return number();
    }
  }

  private <T> T nested(Supplier<T> reader) {
    if (++depth > MAX_DEPTH) {
      throw wrong("less depth");
    }
    at++;
    T v = reader.get();
    depth--;
    return v;
  }

  private Map<String, Object> object() {
    Map<String, Object> out = new LinkedHashMap<>();
    if (take('}')) {
      return out;
    }
    do {
      if (peek() != '"') {
        throw wrong("a name");
      }
      String name = string();
      expect(':');
      out.put(name, value());
    } while (take(','));
    expect('}');
    return out;
  }

  private List<Object> array() {
    List<Object> out = new ArrayList<>();
    if (take(']')) {
      return out;
    }
    do {
      out.add(value());
    } while (take(','));
    expect(']');
    return out;
  }

  private Object word(String w, Object v) {
    if (!text.startsWith(w, at)) {
      throw wrong(w);
    }
    at += w.length();
    return v;
  }

  private BigDecimal number() {
    int start = at;
    take('-');
    if (!take('0')) {
      digits();
    }
    if (at < text.length() && text.charAt(at) == '.') {
      at++;
      digits();
    }
    if (at < text.length() && (text.charAt(at) | 0x20) == 'e') {
      at++;
      if (at < text.length() && (text.charAt(at) == '+' || text.charAt(at) == '-')) {
        at++;
      }
      digits();
    }
    if (at - start > MAX_NUMBER) {
      throw wrong("a shorter number");
    }
    return new BigDecimal(text.substring(start, at));
  }

  private void digits() {
    int start = at;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    if (at == start) {
      throw wrong("a value");
    }
  }

  private String string() {
    StringBuilder out = new StringBuilder();
    for (at++; at < text.length(); at++) {
      char c = text.charAt(at);
      if (c == '"') {
        at++;
        return out.toString();
      }
      if (c < ' ') {
        throw wrong("an escape");
      }
      out.append(c == '\\' ? escape() : c);
    }
    throw wrong("'\"'");
  }

  private char escape() {
    if (++at == text.length()) {
      throw wrong("an escape");
    }
    char c = text.charAt(at);
    int known = "\"\\/bfnrt".indexOf(c);
    if (known >= 0) {
      return "\"\\/\b\f\n\r\t".charAt(known);
    }
    if (c != 'u' || at + 4 >= text.length()) {
      throw wrong("an escape");
    }
    int code = 0;
    for (int i = 0; i < 4; i++) {
      int digit = Character.digit(text.charAt(++at), 16);
      if (digit < 0) {
        throw wrong("a hexadecimal digit");
      }
      code = code << 4 | digit;
    }
    return (char) code;
  }
}
