package io.github.sluicemetrics.flink.options;

import java.util.function.Function;

/**
 * An option of the reporter: what it is called, what it may be, and what it means. The parser refuses a
 * text by an {@link IllegalArgumentException}.
 */
public final class Option<T> {
  private final String name;
  private final String fallback;
  private final String allowed;
  private final String meaning;
  private final Function<String, T> parser;

  /**
   * @param fallback the text that stands for the option where it is not given
   */
  Option(String name, String fallback, String allowed, String meaning, Function<String, T> parser) {
    this.name = name;
    this.fallback = fallback;
    this.allowed = allowed;
    this.meaning = meaning;
    this.parser = parser;
  }

  /** Returns the key behind the prefix of the reporter. */
  public String name() {
    return name;
  }

  /** Returns the default, "" for none. */
  public String fallback() {
    return fallback;
  }

  /** Returns what may be written, in words. */
  public String allowed() {
    return allowed;
  }

  /** Returns what it does, in a sentence. */
  public String meaning() {
    return meaning;
  }

  T parse(String text) {
    return parser.apply(text);
  }
}
