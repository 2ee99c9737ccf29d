package io.github.sluicemetrics.flink.control;

import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.util.List;

/**
 * Patterns of which one must match a whole value: globs with * and ?, or "re:" and an RE2 expression.
 * When one of them cannot be read, nothing can be told. Immutable.
 */
final class Patterns {
  private static final String EXPRESSION = "re:";

  private final String[] globs;
  private final Pattern[] expressions;
  private final boolean understood;

  Patterns(List<String> list) {
    globs = new String[list.size()];
    expressions = new Pattern[list.size()];
    boolean all = true;
    for (int i = 0; i < globs.length; i++) {
      String p = list.get(i);
      if (!p.startsWith(EXPRESSION)) {
        globs[i] = p;
        continue;
      }
      try {
        String expression = p.substring(EXPRESSION.length());
        Pattern.compile(expression); // alone first: an unbalanced one could close the group below
        expressions[i] = Pattern.compile("(?s:(?:" + expression + "))");
      } catch (PatternSyntaxException | StackOverflowError e) { // the latter by thousands of brackets
        all = false;
      }
    }
    understood = all;
  }

  /** Reports whether one of the patterns matches a value. */
  Answer match(String value) {
    if (!understood) {
      return Answer.PERHAPS;
    }
    for (int i = 0; i < globs.length; i++) {
      if (globs[i] != null ? glob(globs[i], value) : expressions[i].matches(value)) {
        return Answer.YES;
      }
    }
    return Answer.NO;
  }

  /** Goes back to the last * only: an earlier one could take no text that the last one cannot. */
  private static boolean glob(String g, String v) {
    int star = -1;
    int retry = 0;
    int i = 0;
    int j = 0;
    while (j < v.length()) {
      if (i < g.length() && g.charAt(i) == '*') {
        star = i++;
        retry = j;
      } else if (i < g.length() && g.charAt(i) == '?') {
        i++;
        j += Character.charCount(v.codePointAt(j));
      } else if (i < g.length() && g.charAt(i) == v.charAt(j)) {
        i++;
        j++;
      } else if (star >= 0) {
        retry += Character.charCount(v.codePointAt(retry));
        i = star + 1;
        j = retry;
      } else {
        return false;
      }
    }
    while (i < g.length() && g.charAt(i) == '*') {
      i++;
    }
    return i == g.length();
  }
}
