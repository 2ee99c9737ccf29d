package main

import (
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	for text, want := range map[string]string{
		"":    "",
		"Map": "",
		"TableSourceScan(table=[[default_catalog, default_database, orders]], fields=[id, price])":                               "orders",
		"Source: TableSourceScan(table=[[hive, dw, events, watermark=[-($1, 5000)], filter=[]]], fields=[a])":                    "events",
		"Sink: Sink(table=[default_catalog.dw.daily_totals], fields=[day, total])":                                               "daily_totals",
		"LookupJoin(table=[default_catalog.default_database.users], joinType=[LeftOuterJoin], lookup=[id=user_id], select=[id])": "users",
		"TableSourceScan(table=[[c, d, a]], fields=[x]) -> LookupJoin(table=[c.d.b]) -> Sink(table=[c.d.a])":                     "a b",
		"INSERT INTO `dw`.`totals` SELECT * FROM orders o JOIN shop.users AS u ON o.user = u.id":                                 "totals orders users",
		"select x from (select * from inner_table) left join LATERAL TABLE(f(x)) on true":                                        "inner_table",
		"insert into table daily values (1)": "daily",
		"UPDATE accounts SET x = 1":          "accounts",
		"from":                               "",
		"table=[":                            "",
		"read FROM 'a b'":                    "",
		"TableSourceScan(table=[[a,b":        "b",
	} {
		if got := strings.Join(tables(text), " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
