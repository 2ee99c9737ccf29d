package program

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever the name, a table is a part of it that is not empty, and the search ends.
func FuzzTableName(f *testing.F) {
	for _, s := range []string{
		"Source: orders[1] -> (Calc[2] -> a[3]: Writer, b[4]: Writer)", "Sink: Sink(table=[a.b.c], fields=[x])",
		"LegacySink(name=[`a`.`b`.`c`], fields=[x])", "Source:_TableSourceScan_table___a__b__c____fields__id__",
		"Source: TableSourceScan(table=[[a, b, c, project=[x]]], fields=[x]) -> )](, -> ", "x[1]: Writer)))", " -> -> ",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		table, ok := TableName(name)
		if ok != (table != "") {
			t.Fatalf("TableName(%q) = %q, %t", name, table, ok)
		}
		for _, part := range strings.SplitN(table, ".", 2) {
			if !strings.Contains(name, part) {
				t.Fatalf("TableName(%q) = %q", name, table)
			}
		}
	})
}

// Globs end and agree with what they mean, whatever they and the values are.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c*", "aXbYc")
	f.Add("*\xff?", "\xff\xfe")
	f.Fuzz(func(t *testing.T, g, v string) {
		p, err := newPattern(g)
		if err != nil || p.form == expression {
			return
		}
		got := p.match(v)
		if utf8.ValidString(g) && utf8.ValidString(v) && got != globExpression(g).MatchString(v) {
			t.Fatalf("%q matches %q: %t", g, v, got)
		}
	})
}
