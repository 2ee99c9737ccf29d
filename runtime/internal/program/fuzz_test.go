package program

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
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

// A bundle may come from anywhere. One whose digest fits is compiled or refused
// whatever it says, and what was compiled decides about any series.
func FuzzBundle(f *testing.F) {
	for _, dir := range []string{"aggregate", "budget", "control", "degrade", "rewrite"} {
		b, found, err := policy.Load(f.Context(), os.DirFS("../../../examples/"+dir+"/policies"), policy.Options{})
		if err != nil || b == nil {
			f.Fatal(dir, found, err)
		}
		text, err := json.Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b policy.Bundle
		if json.Unmarshal(text, &b) != nil {
			return
		}
		b.Digest, _ = b.Set.Digest()
		b.Versions.Schema = "v1"
		if text, _ = json.Marshal(&b); len(text) == 0 {
			return
		}
		read, err := policy.ReadBundle(text)
		if err != nil {
			t.Fatalf("a bundle that was written cannot be read: %v", err)
		}
		p, _ := Compile(&read.Set, Options{Today: time.Now(), Provenance: read.Provenance})
		if p == nil {
			return
		}
		for _, in := range []Input{series("flink_jobmanager_job_uptime"), series("x", "job_name", "pay", "operator_name", "Source: a[1]")} {
			v := decide(p, in)
			if explained, _ := p.Explain(in); explained.Disposition != v.Disposition || explained.Rule != v.Rule {
				t.Errorf("%s: decided %v by %d, explained %v by %d", in.Name, v.Disposition, v.Rule, explained.Disposition, explained.Rule)
			}
			in.Kind = metric.Histogram
			decide(p, in)
		}
	})
}
