package program

import "testing"

func TestTableName(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		// Short names.
		{"Source: orders[1]", "orders"},
		{"Source: orders.v2[107]", "orders.v2"},
		{"Sink: orders_out[14]", "orders_out"},
		{"orders_out[11]: Writer", "orders_out"},
		{"orders_out[11]: Committer", "orders_out"},
		{"orders_out[11]: Global Committer", "orders_out"},
		{"Sink: hbase_orders[14]: Writer", "hbase_orders"},
		// Operators that are no source or sink have the same form.
		{"Calc[2]", ""},
		{"GroupAggregate[7]", ""},
		{"LookupJoin[5]", ""},
		{"ConstraintEnforcer[12]", ""},
		{"LookupJoin(table=[c.d.dim], joinType=[InnerJoin], lookup=[id=a], select=[a])", ""},
		// Sources and sinks of the DataStream API have no table.
		{"Source: Custom Source", ""},
		{"Source: clicks", ""},
		{"Sink: Print to Std. Out", ""},
		{"Sink: Writer", ""},
		{"kafka-sink: Writer", ""},
		{"", ""},
		// Descriptions.
		{"TableSourceScan(table=[[hive, sales, orders]], fields=[id, price])", "sales.orders"},
		{"Source: TableSourceScan(table=[[hive, sales, orders, watermark=[-(ts, 5000:INTERVAL SECOND)]]], fields=[id, ts])", "sales.orders"},
		{"LegacyTableSourceScan(table=[[hive, sales, orders, source: [KafkaTableSource(id)]]], fields=[id])", "sales.orders"},
		{"DataStreamScan(table=[[default_catalog, default_database, T1]], fields=[a])", "default_database.T1"},
		{"SourceConversion(table=[default_catalog.default_database.T1], fields=[a])", "default_database.T1"},
		{"Sink(table=[hive.sales.orders_out], fields=[id, price])", "sales.orders_out"},
		{"Sink: Sink(table=[hive.sales.orders.out], fields=[id])", "sales.orders.out"},
		{"Sink(table=[hive.sales.orders_out], targetColumns=[[0]], fields=[id]): Writer", "sales.orders_out"},
		{"LegacySink(name=[`hive`.`sales`.`orders_out`], fields=[id])", "sales.orders_out"},
		{"Sink(name=[`hive`.`sales`.`orders_out`], fields=[id])", "sales.orders_out"},
		// Tables that Flink made up.
		{"Source: *anonymous_datastream_source$1*[1]", ""},
		{"Source: TableSourceScan(table=[[*anonymous_datastream_source$1*]], fields=[a])", ""},
		{"Sink(table=[default_catalog.default_database.Unregistered_Collect_Sink_1], fields=[a])", ""},
		// Names that were cut: after the table, and within it.
		{"Source: TableSourceScan(table=[[default_catalog, default_database, orders]], fie", "default_database.orders"},
		{"Source: TableSourceScan(table=[[default_catalog, default_database, orders_of_the", ""},
		{"Sink(table=[default_catalog.default_database.orders_out], fields=[id, pr: Writer", "default_database.orders_out"},
		{"Sink(table=[default_catalog.default_database.orders_out_of_the_whole_wor: Writer", ""},
		{"Source: orders_of_the_whole_world_with_a_name_that_is_longer_than_a_label_shoul[1", ""},
		// Chains: one table, or none.
		{"Source: orders[1] -> Calc[2]", "orders"},
		{"Source: orders[1] -> Calc[2] -> orders_out[3]: Writer", ""},
		{"Source: orders[1] -> orders[2]: Writer", "orders"},
		{"Calc[5] -> orders_out[6]: Writer -> orders_out[6]: Committer", "orders_out"},
		{"GroupAggregate[5] -> (Calc[6] -> a[7]: Writer, Calc[8])", "a"},
		{"GroupAggregate[5] -> (Calc[6] -> a[7]: Writer, Calc[8] -> b[9]: Writer)", ""},
		{"GroupAggregate[5] -> (Sink: a[7], Sink: Print to Std. Out)", ""},
		{"Source: Custom Source -> Calc[2] -> a[3]: Writer", ""},
		{"MultipleInput[5] [Source: a[1], Source: b[2]] -> c[3]: Writer", ""},
		{"Source: TableSourceScan(table=[[c, d, t]], fields=[a, b]) -> Calc(select=[a, (b + 1) AS c])", "d.t"},
		{"Source: TableSourceScan(table=[[c, d, t]], fields=[a]) -> Calc(where=[LIKE(a, '(%')]) -> Sink: Sink(table=[c.d.u], fields=[a])", ""},
		// Characters replaced by underscores.
		{"Source:_orders_1_", "orders"},
		{"Source: orders_1_", "orders"},
		{"Source:_orders_2024_5_", "orders_2024"},
		{"Sink:_orders_out_14_", "orders_out"},
		{"orders_out_11_:_Writer", "orders_out"},
		{"Sink:_hbase_orders_14_:_Committer", "hbase_orders"},
		{"Source:_TableSourceScan_table___hive__sales__orders____fields__id__price__", "sales.orders"},
		{"TableSourceScan_table___hive__sales__orders__project__id___metadata______fields__id__", "sales.orders"},
		{"LegacyTableSourceScan_table___hive__sales__orders__source:__KafkaTableSource_id____fields__id__", "sales.orders"},
		{"Sink_table__default_catalog_default_database_orders_out___fields__id__", "default_database.orders_out"},
		{"LegacySink_name___hive___sales___orders_out____fields__id__", "sales.orders_out"},
		// Replaced characters that leave two readings.
		{"Sink_table__hive_sales_orders_out___fields__id__", ""},
		{"TableSourceScan_table___hive__sales__dwd__orders____fields__id__", ""},
		{"Source:_orders__v2_1_", ""},
		{"Source:_orders_1_____Calc_2_", ""},
		{"Source:_Custom_Source", ""},
		{"Source:_a_table_with_a_name_of_exactly_the_length_that_flink_cut_operators_to_2_", ""},
		{"Calc_2_", ""},
	} {
		got, ok := TableName(tt.name)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("TableName(%q) = %q, %t; want %q", tt.name, got, ok, tt.want)
		}
	}
}
