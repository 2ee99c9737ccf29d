package program

import (
	"regexp"
	"strings"
)

// TableName finds the table that a source or sink operator reads or writes, in
// the name that Flink gives the operator: Flink 1.15 and newer ("Source: orders[3]",
// "orders_out[11]: Writer", "Sink: orders_out[11]"), older versions with the
// whole description ("Source: TableSourceScan(table=[[cat, db, orders]], …"), and
// both with the characters replaced that Prometheus label values used to lose
// ("Source:_orders_3_"). A description yields database and table, "db.orders"; a
// short name knows the table alone.
//
// In the name of a chain of operators it finds the table only if one alone is
// read or written. It finds nothing where it would have to guess: operators that
// are neither source nor sink, names that were cut within the table, tables that
// Flink made up, replaced characters that leave two readings.
func TableName(name string) (table string, ok bool) {
	for _, op := range operators(name) {
		t, endpoint := operatorTable(op)
		switch {
		case !endpoint:
			continue
		case t == "", ok && t != table:
			return "", false
		}
		table, ok = t, true
	}
	return table, ok
}

// chainArrow stands between the operators of a chain.
const chainArrow = " -> "

// operators splits the name of a chain: "a -> b", "a -> (b, c -> d)". Text in
// brackets is an operator's own.
func operators(name string) []string {
	if !strings.Contains(name, chainArrow) {
		return []string{name}
	}
	var out []string
	depth, start := 0, 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '(' && depth == 0 && i == start: // a fork: its operators are members of the chain
			start = i + 1
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case depth > 0 && strings.IndexByte(")]}", c) >= 0:
			depth--
		case c == ')' && depth == 0: // the end of a fork
			out = append(out, name[start:i])
			start = i + 1
		case depth > 0:
		case strings.HasPrefix(name[i:], chainArrow):
			out = append(out, name[start:i])
			i += len(chainArrow) - 1
			start = i + 1
		case strings.HasPrefix(name[i:], ", "):
			out = append(out, name[start:i])
			i++
			start = i + 1
		}
	}
	return append(out, name[start:])
}

// Marks of a source or sink around its own name; the blank may be replaced.
var (
	headMark = regexp.MustCompile(`^(?:Source|Sink):[ _]`)
	tailMark = regexp.MustCompile(`:[ _](?:Writer|Committer|Global[ _]Committer)\)*$`)
)

// descriptions of sources and sinks, raw and with characters replaced. The first
// group is the database, the second the table. What follows the table is part of
// each form, so that a name that was cut within the table is not taken.
var descriptions = []*regexp.Regexp{
	regexp.MustCompile(`^(?:(?:Legacy)?TableSourceScan|DataStreamScan)\(table=\[\[[^,\]]+, ([^,\]]+), ([^,\]]+)[,\]]`),
	regexp.MustCompile(`^(?:Sink|SourceConversion)\(table=\[[^.\]]+\.([^.\]]+)\.([^\]]+)\]`),
	regexp.MustCompile("^(?:Legacy)?Sink\\(name=\\[`[^`]+`\\.`([^`]+)`\\.`([^`]+)`\\]"),
	regexp.MustCompile(`^(?:(?:Legacy)?TableSourceScan|DataStreamScan)_table___` + plain + `__(` + plain + `)__(` + plain + `)` +
		`__(?:__fields|project|filter|watermark|limit|partitions|metadata|aggregates|source:)_`),
	regexp.MustCompile(`^(?:Sink|SourceConversion)_table__default_catalog_(default_database)_(` + plain + `)___(?:fields|targetColumns|changelogMode)_`),
	regexp.MustCompile(`^(?:Legacy)?Sink_name___` + plain + `___(` + plain + `)___(` + plain + `)____(?:fields|changelogMode)_`),
}

// plain is an identifier in which no two underscores meet, nor one at an end: only
// such can be told from replaced characters around them.
const plain = `[a-zA-Z0-9:]+(?:_[a-zA-Z0-9:]+)*`

// Short names of sources and sinks: the table and the number of the plan's node.
var (
	shortName     = regexp.MustCompile(`^([^\[\]]+)\[\d+\]$`)
	shortReplaced = regexp.MustCompile(`^(` + plain + `)_\d+_$`)
)

// described begins the description of a source or sink, whatever its table.
var described = regexp.MustCompile(`^(?:(?:Legacy)?TableSourceScan|DataStreamScan|SourceConversion|(?:Legacy)?Sink)(?:\(|_table__|_name__)`)

// innerMark is a source or sink inside the name of another operator: one that
// takes sources in, or one whose brackets do not balance.
var innerMark = regexp.MustCompile(`(?:Source|Sink):[ _]|:[ _](?:Writer|Committer)`)

// madeUp begins the names of tables that Flink registers by itself.
var madeUp = regexp.MustCompile(`^(?:\*|Unregistered_)`)

// cutAt is where Flink cuts the name of an operator, in characters.
const cutAt = 80

// operatorTable returns the table of one operator and whether the operator is a
// source or sink; the table is "" where the name does not tell it.
func operatorTable(op string) (table string, endpoint bool) {
	own := headMark.ReplaceAllString(op, "")
	endpoint = len(own) < len(op)
	if at := tailMark.FindStringIndex(own); at != nil {
		own, endpoint = own[:at[0]], true
	}
	for _, d := range descriptions {
		if m := d.FindStringSubmatch(own); m != nil && !madeUp.MatchString(m[2]) {
			return m[1] + "." + m[2], true
		}
	}
	if !endpoint {
		return "", described.MatchString(own) || innerMark.MatchString(own)
	}
	if m := shortName.FindStringSubmatch(own); m != nil && !madeUp.MatchString(m[1]) {
		return m[1], true
	}
	// At the cut, "_3_" may be what is left of a table's own name and "[".
	if m := shortReplaced.FindStringSubmatch(own); m != nil && len(op) < cutAt {
		return m[1], true
	}
	return "", true
}
