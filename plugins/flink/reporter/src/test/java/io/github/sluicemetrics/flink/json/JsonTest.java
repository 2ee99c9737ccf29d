package io.github.sluicemetrics.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class JsonTest {
  private static Object read(String s) {
    return JsonReader.read(s.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void whatIsWrittenReadsBack() {
    Random random = new Random(7);
    for (int i = 0; i < 20_000; i++) {
      long whole = random.nextLong() >> random.nextInt(64);
      assertEquals(new BigDecimal(whole), read(new JsonBytes(1).number(whole).toString()));
      double number = Double.longBitsToDouble(random.nextLong());
      if (Double.isFinite(number)) {
        Object back = read(new JsonBytes(1).number(number).toString());
        assertEquals(number, ((BigDecimal) back).doubleValue(), 0.0, Double.toString(number));
      }
      String text = text(random);
      assertEquals(valid(text), read(new JsonBytes(1).text(text).toString()));
    }
  }

  private static String text(Random random) {
    char[] c = new char[random.nextInt(8)];
    for (int i = 0; i < c.length; i++) {
      int kind = random.nextInt(4);
      c[i] = (char) (kind == 0 ? random.nextInt(0x80) : kind == 1 ? 0xd800 + random.nextInt(0x800) : random.nextInt(0x10000));
    }
    return new String(c);
  }

  /** As UTF-8 has it, with U+FFFD for each half of a pair. */
  private static String valid(String s) {
    int[] points = s.codePoints().map(p -> p >= 0xd800 && p < 0xe000 ? 0xfffd : p).toArray();
    return new String(points, 0, points.length);
  }

  @Test
  void numbersThatJsonDoesNotHave() {
    assertEquals("\"NaN\"\"Inf\"\"-Inf\"",
        new JsonBytes(1).number(Double.NaN).number(Double.POSITIVE_INFINITY).number(Double.NEGATIVE_INFINITY).toString());
    assertEquals("-9223372036854775808", new JsonBytes(1).number(Long.MIN_VALUE).toString());
    assertEquals("-0.0", new JsonBytes(1).number(-0.0).toString());
    assertEquals("3", new JsonBytes(1).number(3.0).toString());
    assertEquals("1.0E300", new JsonBytes(1).number(1e300).toString());
  }

  @Test
  void memoryIsUsedAgain() {
    JsonBytes j = new JsonBytes(4);
    j.raw("{\"a\":").text("x").raw('}');
    assertEquals("{\"a\":\"x\"}", j.toString());
    j.truncate(4);
    assertEquals("{\"a\"", j.toString());
    assertEquals("", j.clear().toString());
  }

  @Test
  void everyKindOfValueIsRead() {
    Object v = read(" {\"a\" : [1, -2.5e+3, true, false, null, \"x\\u00e9\\n\\/\"], \"b\":{}, \"a2\":[] , \"b\":0}\n");
    Map<?, ?> m = (Map<?, ?>) v;
    assertEquals(
        Arrays.asList(new BigDecimal(1), new BigDecimal("-2.5e+3"), true, false, null, "x\u00e9\n/"), m.get("a"));
    assertEquals(new BigDecimal(0), m.get("b"), "the last counts");
  }

  @Test
  void whatIsNoJsonIsRefused() {
    for (String bad :
        List.of(
            "", " ", "{", "[", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01", "-", "1.", "1e", ".5", "+1", "tru", "nul", "'a'",
            "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "1 2", "[1}", "NaN", "[".repeat(65) + "]".repeat(65),
            "1".repeat(500))) {
      assertThrows(IllegalArgumentException.class, () -> read(bad), bad);
    }
    assertThrows(IllegalArgumentException.class, () -> JsonReader.read(new byte[] {'"', (byte) 0xc3, '"'}));
    assertThrows(IllegalArgumentException.class, () -> JsonReader.read(new byte[] {'"', (byte) 0xed, (byte) 0xa0, (byte) 0x80, '"'}));
  }
}
