// Command tables is a plugin that names the tables an SQL operator works on. The rule
// table-name of policies names the one table that a source or sink is of; this names all
// that a chain of operators works on, those of joins too, and reads SQL itself.
package main

import (
	"strings"

	sluice "github.com/sluice-metrics/sluice/plugins/sdk/go"
)

var _ = sluice.Register(func(c *sluice.Config) sluice.Transform {
	from, to := sluice.NewKey(c.String("from")), sluice.NewKey(c.String("to"))
	separator := c.String("separator")
	names := sluice.NewMapping(func(text string) string { return strings.Join(tables(text), separator) })
	return sluice.Each(func(r *sluice.Record) { r.Derive(to, from, names) })
})

func main() {}

// tables returns the names of tables in a text, each once, in their order.
func tables(text string) []string {
	names := append(append(inPlan(text), inShort(text)...), inSQL(text)...)
	var out []string
	for _, n := range names {
		if n = last(n); n != "" && !contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// inShort finds the names of sources and sinks as Flink shortens them: Source: name[1],
// Sink: name[2], name[3]: Writer, and Committer. Other operators, Calc[4], have no table.
func inShort(text string) (out []string) {
	for op := range strings.SplitSeq(text, " -> ") {
		op, isSource := strings.CutPrefix(strings.Trim(op, "() "), "Source: ")
		op, isSink := strings.CutPrefix(op, "Sink: ")
		name, rest, found := strings.Cut(op, "[")
		number, role, closed := strings.Cut(rest, "]")
		if found && closed && isNumber(number) && isName(name) && (isSource || isSink || strings.HasSuffix(role, ": Writer") || strings.HasSuffix(role, "Committer")) {
			out = append(out, name)
		}
	}
	return out
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// inPlan finds table=[[catalog, database, name, …]], table=[catalog.database.name], and
// name=[…], as older sinks have it.
func inPlan(text string) (out []string) {
	for {
		_, rest, found := strings.Cut(text, "table=[")
		if !found {
			if _, rest, found = strings.Cut(text, "Sink(name=["); !found {
				return out
			}
		}
		text = rest
		list := strings.TrimPrefix(rest, "[")
		if end := strings.IndexByte(list, ']'); end >= 0 {
			list = list[:end]
		}
		name := ""
		for part := range strings.SplitSeq(list, ",") {
			part = strings.TrimSpace(part)
			if strings.ContainsAny(part, "=[(") || strings.HasPrefix(part, "source:") {
				break // hints and what was pushed into the scan come behind the name
			}
			name = part
		}
		out = append(out, name)
	}
}

// inSQL finds the names behind FROM, JOIN, INTO, UPDATE and INTO TABLE.
func inSQL(text string) (out []string) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;()", r) })
	for i, w := range words[:max(0, len(words)-1)] {
		if !isOne(w, "FROM", "JOIN", "INTO", "UPDATE") {
			continue
		}
		next := words[i+1]
		if isOne(w, "INTO") && isOne(next, "TABLE") && i+2 < len(words) {
			next = words[i+2]
		}
		if isName(next) && !isOne(next, "SELECT", "LATERAL", "TABLE", "UNNEST", "VALUES") {
			out = append(out, next)
		}
	}
	return out
}

// isOne tells whether a word is one of some, in upper or lower case.
func isOne(word string, of ...string) bool { return contains(of, strings.ToUpper(word)) }

// isName tells whether a word can be the name of a table: letters, digits, what
// stands between the parts of a name, quotes.
func isName(w string) bool {
	for i := range len(w) {
		c := w[i]
		if c < 0x80 && !('0' <= c && c <= '9') && !('a' <= c|0x20 && c|0x20 <= 'z') && strings.IndexByte("_.-`\"$", c) < 0 {
			return false
		}
	}
	return w != ""
}

// last returns the table of a name with catalog and database, without quotes.
func last(name string) string {
	unquoted := strings.NewReplacer("`", "", `"`, "").Replace(name)
	return unquoted[strings.LastIndexByte(unquoted, '.')+1:]
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
