package io.github.sluicemetrics.flink.control;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The members of an object of the control document, asked for with the type they must have. */
final class Members {
  private final Map<?, ?> object;

  private Members(Map<?, ?> object) {
    this.object = object;
  }

  /**
   * Returns the members of an object.
   *
   * @throws IllegalArgumentException when it is none
   */
  static Members of(Object json) {
    if (json instanceof Map) {
      return new Members((Map<?, ?>) json);
    }
    throw new IllegalArgumentException("an object belongs where there is " + json);
  }

  Object any(String name) {
    return object.get(name);
  }

  String text(String name) {
    Object v = object.get(name);
    if (v == null || v instanceof String) {
      return v == null ? "" : (String) v;
    }
    throw wrong(name, "a string");
  }

  long whole(String name) {
    Object v = object.get(name);
    if (v == null) {
      return 0;
    }
    if (v instanceof BigDecimal) {
      return ((BigDecimal) v).longValueExact();
    }
    throw wrong(name, "an integer");
  }

  boolean flag(String name, boolean otherwise) {
    Object v = object.get(name);
    if (v == null || v instanceof Boolean) {
      return v == null ? otherwise : (Boolean) v;
    }
    throw wrong(name, "true or false");
  }

  List<Members> objects(String name) {
    List<Members> out = new ArrayList<>();
    Object v = object.get(name);
    if (v != null && !(v instanceof List)) {
      throw wrong(name, "an array");
    }
    if (v != null) {
      ((List<?>) v).forEach(x -> out.add(of(x)));
    }
    return out;
  }

  List<String> texts(String name) {
    List<String> out = strings(object.get(name));
    if (out == null) {
      throw wrong(name, "an array of strings");
    }
    return out;
  }

  Map<String, String> textByName(String name) {
    Map<String, String> out = new LinkedHashMap<>();
    Object v = object.get(name);
    if (v != null) {
      Members m = of(v);
      m.object.keySet().forEach(k -> out.put((String) k, m.text((String) k)));
    }
    return out;
  }

  /** Returns the strings of an array, none for null, and null for anything else. */
  static List<String> strings(Object json) {
    if (json == null) {
      return List.of();
    }
    if (!(json instanceof List)) {
      return null;
    }
    List<String> out = new ArrayList<>();
    for (Object x : (List<?>) json) {
      if (!(x instanceof String)) {
        return null;
      }
      out.add((String) x);
    }
    return out;
  }

  private static IllegalArgumentException wrong(String name, String wanted) {
    return new IllegalArgumentException(wanted + " belongs in \"" + name + "\"");
  }
}
