package fleet

// role is what an operator does, which decides what it registers.
type role uint16

const (
	source role = 1 << iota
	sink
	window // counts late records
	sqlWindow
	join   // has two inputs
	rank   // keeps a top n
	lookup // asks a table and caches the answers
	legacy // a source that cannot say how busy it is
	custom // the job's own code: registers user metrics
)

// node is an operator of a plan. Text is the description that Flink had as name
// before it shortened names to Kind[id]; for a DataStream job it is the name.
type node struct {
	kind string
	role role
	text string
}

// stage is a vertex of a plan: operators that Flink chains. In and Out are records
// per record that the job reads; Cost is the share of a busy job's time.
type stage struct {
	nodes      []node
	in, out    float64
	cost       float64
	bottleneck bool // what a lag incident slows down
}

// plan is the shape of a job. Braces are filled in from a domain.
type plan struct {
	name   string
	sql    bool
	stages []stage
}

// plans are the shapes that jobs take in turn.
var plans = []plan{
	{name: "rt_{table}_1min", sql: true, stages: []stage{
		{in: 1, out: .2, cost: .5, nodes: []node{
			{"TableSourceScan", source, "TableSourceScan(table=[[lake, ods, {table}]], fields=[{fields}])"},
			{"Calc", 0, "Calc(select=[{fields}, ({measure} * 100) AS {measure}_cents], where=[({key} IS NOT NULL)])"},
			{"WatermarkAssigner", 0, "WatermarkAssigner(rowtime=[{time}], watermark=[({time} - 5000:INTERVAL SECOND)])"},
			{"LocalWindowAggregate", 0, "LocalWindowAggregate(groupBy=[{group}], window=[TUMBLE(time_col=[{time}], size=[1 min])], select=[{group}, COUNT(*) AS count1$0, SUM({measure}) AS sum$1, slice_end('w$) AS $slice_end])"},
		}},
		{in: .2, out: .02, cost: .8, bottleneck: true, nodes: []node{
			{"GlobalWindowAggregate", window | sqlWindow, "GlobalWindowAggregate(groupBy=[{group}], window=[TUMBLE(slice_end=[$slice_end], size=[1 min])], select=[{group}, COUNT(count1$0) AS cnt, SUM(sum$1) AS total, start('w$) AS window_start, end('w$) AS window_end])"},
			{"Calc", 0, "Calc(select=[{group}, cnt, total, window_start, window_end, PROCTIME() AS written_at])"},
			{"Sink", sink, "Sink(table=[lake.dws.{table}_1min], fields=[{group}, cnt, total, window_start, window_end, written_at])"},
		}},
	}},
	{name: "{table}-enrichment", stages: []stage{
		{in: 1, out: .95, cost: .4, nodes: []node{
			{"", source, "{table}-topic"}, {"", 0, "parse-json"}, {"", 0, "drop-test-traffic"},
		}},
		{in: .95, out: .9, cost: .6, nodes: []node{{"", custom, "enrich-by-{group}"}}},
		{in: .9, out: .9, cost: .8, bottleneck: true, nodes: []node{{"", 0, "deduplicate-{key}"}, {"", sink, "{table}-enriched"}}},
	}},
	{name: "rt_{table}_join_{other}", sql: true, stages: []stage{
		{in: .7, out: .7, cost: .3, nodes: []node{
			{"TableSourceScan", source, "TableSourceScan(table=[[lake, ods, {table}]], fields=[{fields}])"},
			{"Calc", 0, "Calc(select=[{fields}], where=[({measure} > 0)])"},
		}},
		{in: .3, out: .3, cost: .3, nodes: []node{
			{"TableSourceScan", source, "TableSourceScan(table=[[lake, ods, {other}]], fields=[{otherFields}])"},
			{"DropUpdateBefore", 0, "DropUpdateBefore"},
		}},
		{in: 1, out: .6, cost: .9, bottleneck: true, nodes: []node{
			{"Join", join, "Join(joinType=[LeftOuterJoin], where=[({group} = {group}0)], select=[{fields}, {group}0, {otherFields}], leftInputSpec=[NoUniqueKey], rightInputSpec=[JoinKeyContainsUniqueKey])"},
			{"Calc", 0, "Calc(select=[{fields}, {otherFields}])"},
			{"Sink", sink, "Sink(table=[lake.dwd.{table}_wide], fields=[{fields}, {otherFields}])"},
		}},
	}},
	{name: "{table}-sessions", stages: []stage{
		{in: 1, out: 1, cost: .5, nodes: []node{{"", source, "{table}-topic"}, {"", 0, "assign-{time}"}}},
		{in: 1, out: .1, cost: .8, bottleneck: true, nodes: []node{{"", window | custom, "session-window-30min"}, {"", sink, "{table}-sessions"}}},
	}},
	{name: "rt_{table}_top10", sql: true, stages: []stage{
		{in: 1, out: .9, cost: .4, nodes: []node{
			{"TableSourceScan", source, "TableSourceScan(table=[[lake, ods, {table}, watermark=[({time} - 10000:INTERVAL SECOND)]]], fields=[{fields}])"},
			{"LookupJoin", lookup, "LookupJoin(table=[lake.dim.{group}_profile], joinType=[LeftOuterJoin], lookup=[{group}={group}], select=[{fields}, {group}, {group}_name, {group}_region])"},
		}},
		{in: .9, out: .3, cost: .9, bottleneck: true, nodes: []node{
			{"Rank", rank, "Rank(strategy=[UpdateFastStrategy[0,1]], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=10], partitionBy=[{group}], orderBy=[{measure} DESC], select=[{fields}, {group}_name, {group}_region, w0$o0])"},
			{"SinkMaterializer", 0, "SinkMaterializer"},
			{"Sink", sink, "Sink(table=[lake.ads.{table}_top10], fields=[{fields}, {group}_name, {group}_region, rank_no], upsertMaterialize=[true])"},
		}},
	}},
	{name: "{table}-archive", stages: []stage{
		{in: 1, out: 1, cost: .6, bottleneck: true, nodes: []node{{"", legacy | custom, "Custom Source"}, {"", 0, "to-avro"}, {"", sink, "{table}-archive"}}},
	}},
}

// domain is what a job is about: an invented table.
type domain struct {
	table, fields, key, group, measure, time string
}

var domains = []domain{
	{"shop_orders", "order_id, user_id, sku_id, store_id, amount, currency, order_status, order_time", "order_id", "store_id", "amount", "order_time"},
	{"truck_positions", "truck_id, driver_id, city_code, lat, lon, speed_kmh, heading, fix_quality, report_time", "truck_id", "city_code", "speed_kmh", "report_time"},
	{"payment_events", "payment_id, order_id, channel, fee, risk_level, bank_code, paid_at", "payment_id", "channel", "fee", "paid_at"},
	{"app_clicks", "user_id, session_id, page, element, referrer, device_model, dwell_ms, click_time", "session_id", "page", "dwell_ms", "click_time"},
	{"parcel_scans", "parcel_id, depot_id, belt_no, weight_g, scan_result, scanned_at", "parcel_id", "depot_id", "weight_g", "scanned_at"},
	{"driver_shifts", "shift_id, driver_id, fleet_code, minutes_driven, break_minutes, started_at", "shift_id", "fleet_code", "minutes_driven", "started_at"},
	{"stock_moves", "move_id, sku_id, warehouse_id, quantity, reason_code, moved_at", "move_id", "warehouse_id", "quantity", "moved_at"},
	{"ride_requests", "request_id, rider_id, zone_id, estimated_fare, wait_seconds, requested_at", "request_id", "zone_id", "estimated_fare", "requested_at"},
}
