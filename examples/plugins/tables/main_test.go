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
		"Source: payments[1] -> Calc[2] -> WatermarkAssigner[3] -> LocalWindowAggregate[4]":                                      "payments",
		"GlobalWindowAggregate[6] -> Calc[7] -> revenue[8]: Writer":                                                              "revenue",
		"Source: orders[1] -> LookupJoin[2] -> (Calc[3] -> totals[4]: Writer -> totals[4]: Committer, Sink: audit[5])":           "orders totals",
		"Source: orders[12] -> Sink: audit[5]":                                                                                   "orders audit",
		"Source: clicks -> parse":                                                                                                "",
		"clicks-out: Writer -> clicks-out: Committer":                                                                            "",
		"LegacySink(name=[`c`.`dw`.`totals`], fields=[id])":                                                                      "totals",
		"LegacyTableSourceScan(table=[[c, d, orders, source: [KafkaTableSource(id)]]], fields=[id])":                             "orders",
		"TableSourceScan(table=[[c, d, orders, project=[a, b], metadata=[]]], fields=[a, b])":                                    "orders",
		"Join(joinType=[InnerJoin], where=[=(id, id0)], select=[id, id0])":                                                       "",
		"insert into table daily values (1)":                                                                                     "daily",
		"UPDATE accounts SET x = 1":                                                                                              "accounts",
		"from":                                                                                                                   "",
		"table=[":                                                                                                                "",
		"read FROM 'a b'":                                                                                                        "",
		"TableSourceScan(table=[[a,b":                                                                                            "b",
	} {
		if got := strings.Join(tables(text), " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
