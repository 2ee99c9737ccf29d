package record

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// wrongRecords are what a producer can get wrong; each goes to the dead letters
// with this reason and this text.
func wrongRecords() []struct{ name, record, want string } {
	const head = `{"torrent_task_id":"t","report_timestamp":1,"metric":"m"`
	gauge := func(rest string) string { return head + `,"type":"gauge",` + rest + `}` }
	points := func(kind, points string) string { return head + `,"type":"` + kind + `","points":[` + points + `]}` }
	return []struct{ name, record, want string }{
		{"nothing", ``, `byte 0: the record is empty (not-json)`},
		{"white space", " \n", `byte 2: the record is empty (not-json)`},
		{"text", `hello`, `byte 0: want a JSON value, found 'h' (not-json)`},
		{"byte order mark", "\ufeff{}", `byte 0: want a JSON value, found byte 0xef (not-json)`},
		{"two records", closing + closing, `byte 102: text after the record, found an object (not-json)`},
		{"a comma behind", flatGaugeRecord + ",", `byte 162: text after the record, found ',' (not-json)`},
		{"a trailing comma", gauge(`"value":1,`), `byte 82: want a key in quotes, found '}' (not-json)`},
		{"no comma", gauge(`"value":1 "x":2`), `byte 82: want ',' or '}' after a value, found the string "x" (not-json)`},
		{"no colon", gauge(`"value" 1`), `byte 80: want ':' after a key, found the number 1 (not-json)`},
		{"no quotes", gauge(`value:1`), `byte 72: want a key in quotes, found 'v' (not-json)`},
		{"single quotes", gauge(`'value':1`), `byte 72: want a key in quotes, found '\'' (not-json)`},
		{"a word", gauge(`"value":NaN`), `byte 80: value: want a JSON value, found 'N' (not-json)`},
		{"half a word", gauge(`"value":tru`), `byte 80: value: want true, false or null (not-json)`},
		{"a leading zero", gauge(`"value":01`), `byte 81: want ',' or '}' after a value, found the number 1 (not-json)`},
		{"a number without digits", gauge(`"value":-`), `byte 81: value: not a JSON number (not-json)`},
		{"a number ending in its point", gauge(`"value":1.`), `byte 82: value: not a JSON number (not-json)`},
		{"a number beginning with its point", gauge(`"value":.5`), `byte 80: value: want a JSON value, found '.' (not-json)`},
		{"an exponent without digits", gauge(`"value":1e+`), `byte 83: value: not a JSON number (not-json)`},
		{"a plus sign", gauge(`"value":+1`), `byte 80: value: want a JSON value, found '+' (not-json)`},
		{"a hexadecimal number", gauge(`"value":0x10`), `byte 81: want ',' or '}' after a value, found 'x' (not-json)`},
		{"a line break in a string", gauge("\"value\":\"a\nb\""), `byte 82: value: control character in a string, found byte 0x0a (not-json)`},
		{"an escape that is none", gauge(`"value":"\x41"`), `byte 81: value: unknown escape in a string (not-json)`},
		{"an escape that is cut", gauge(`"value":"\u00"`), `byte 81: value: unknown escape in a string (not-json)`},
		{"a comma in an array", points("gauge", `{"v":1},`), `byte 90: points[1]: want a JSON value, found ']' (not-json)`},
		{"no comma between points", points("gauge", `{"v":1} {"v":2}`), `byte 90: points[0]: want ',' or ']' after a value, found an object (not-json)`},
		{"a bracket for a brace", points("gauge", `{"v":1]`), `byte 88: points[0]: want ',' or '}' after a value, found ']' (not-json)`},
		{"a point that is cut", head + `,"type":"gauge","points":[{"v":1`, `byte 88: points[0]: the record ends too early (not-json)`},

		{"Latin-1", gauge("\"value\":\"Stra\xdfe\""), `byte 85: value: bytes that are not UTF-8 in a string (bad-utf8)`},
		{"bytes of half a character", gauge("\"value\":\"\xe2\x82\""), `byte 81: value: bytes that are not UTF-8 in a string (bad-utf8)`},
		{"UTF-8 of a surrogate", gauge("\"value\":\"\xed\xa0\x80\""), `byte 81: value: bytes that are not UTF-8 in a string (bad-utf8)`},
		{"half a surrogate pair", gauge(`"value":"\ud83d"`), `byte 81: value: half of a surrogate pair in a string (bad-utf8)`},
		{"surrogates in the wrong order", gauge(`"value":"\ude00\ud83d"`), `byte 81: value: half of a surrogate pair in a string (bad-utf8)`},
		{"a surrogate and a letter", gauge(`"value":"\ud83d\u0041"`), `byte 81: value: half of a surrogate pair in a string (bad-utf8)`},
		{"bad UTF-8 in an unknown field", gauge("\"value\":1,\"x\":{\"y\":\"\xff\"}"), `byte 92: bytes that are not UTF-8 in a string (bad-utf8)`},
		{"bad UTF-8 in a key", gauge("\"value\":1,\"\xff\":1"), `byte 83: bytes that are not UTF-8 in a string (bad-utf8)`},
		{"bad UTF-8 in a label", gauge("\"value\":1,\"labels\":{\"a\":\"\xff\"}"), `byte 97: labels: bytes that are not UTF-8 in a string (bad-utf8)`},
		{"bad UTF-8 outside of strings", "\xff" + closing, `byte 0: want a JSON value, found byte 0xff (not-json)`},

		{"an array", `[` + closing + `]`, `byte 0: want an object, found an array (wrong-type)`},
		{"a string", `"` + `a` + `"`, `byte 0: want an object, found the string "a" (wrong-type)`},
		{"null", `null`, `byte 0: want an object, found null (wrong-type)`},
		{"task is a number", `{"torrent_task_id":5}`, `byte 19: torrent_task_id: want a string, found the number 5 (wrong-type)`},
		{"task is null", `{"torrent_task_id":null}`, `byte 19: torrent_task_id: want a string, found null (wrong-type)`},
		{"timestamp is a string", `{"report_timestamp":"2026-11-22"}`, `byte 20: report_timestamp: want Unix milliseconds above 0, found the string "2026-11-22" (wrong-type)`},
		{"timestamp is 0", `{"report_timestamp":0}`, `byte 20: report_timestamp: want Unix milliseconds above 0, found the number 0 (wrong-type)`},
		{"timestamp is negative", `{"report_timestamp":-5}`, `byte 20: report_timestamp: want Unix milliseconds above 0, found the number -5 (wrong-type)`},
		{"timestamp is a fraction", `{"report_timestamp":1.5}`, `byte 20: report_timestamp: want Unix milliseconds above 0, found the number 1.5 (wrong-type)`},
		{"timestamp has an exponent", `{"report_timestamp":1e12}`, `byte 20: report_timestamp: want Unix milliseconds above 0, found the number 1e12 (wrong-type)`},
		{"timestamp is enormous", `{"report_timestamp":99999999999999999999}`, `byte 20: report_timestamp: the integer does not fit 64 bits (wrong-type)`},
		{"seq is negative", `{"seq":-1}`, `byte 7: seq: want an integer of at least 0, found the number -1 (wrong-type)`},
		{"cv is a string", `{"cv":"42"}`, `byte 6: cv: want an integer of at least 0, found the string "42" (wrong-type)`},
		{"metric is an object", `{"metric":{"name":"m"}}`, `byte 10: metric: want a string, found an object (wrong-type)`},
		{"labels is an array", `{"labels":[]}`, `byte 10: labels: want an object of strings, found an array (wrong-type)`},
		{"labels is null", `{"labels":null}`, `byte 10: labels: want an object of strings, found null (wrong-type)`},
		{"a label is a number", `{"labels":{"host":"a","subtask_index":3}}`, `byte 38: labels: want a string, found the number 3 (wrong-type)`},
		{"a label is a boolean", `{"labels":{"a":true}}`, `byte 15: labels: want a string, found a boolean (wrong-type)`},
		{"sinks are a string", `{"to":"store"}`, `byte 6: to: want an array of strings, found the string "store" (wrong-type)`},
		{"a sink is a number", `{"to":["store",1]}`, `byte 15: to: want a string, found the number 1 (wrong-type)`},
		{"end is a string", `{"end":"true"}`, `byte 7: end: want true or false, found the string "true" (wrong-type)`},
		{"another version", `{"v":2}`, `byte 5: v: want 1, the version of the records, found the number 2 (wrong-type)`},
		{"the version as text", `{"v":"1"}`, `byte 5: v: want 1, the version of the records, found the string "1" (wrong-type)`},
		{"n is negative", `{"n":-1}`, `byte 5: n: want an integer of at least 0, found the number -1 (wrong-type)`},
		{"value is an object", gauge(`"value":{}`), `byte 80: value: want a number, a boolean, a string or null, found an object (wrong-type)`},
		{"value is a number beyond a double", gauge(`"value":1e309`), `byte 80: value: the number does not fit a double (wrong-type)`},
		{"a counter with a fraction", head + `,"type":"counter","value":1.5}`, `byte 82: value: want an integer, found the number 1.5 (wrong-type)`},
		{"a counter as text", head + `,"type":"counter","value":"12"}`, `byte 82: value: want an integer, found the string "12" (wrong-type)`},
		{"a counter beyond 64 bits", head + `,"type":"counter","value":9223372036854775808}`, `byte 82: value: the integer does not fit 64 bits (wrong-type)`},
		{"a meter as text", head + `,"type":"meter","value":"fast"}`, `byte 80: value: want a number, "NaN", "Inf" or "-Inf", found the string "fast" (wrong-type)`},
		{"a flat histogram", head + `,"type":"histogram","value":1}`, `byte 84: value: a histogram has points, it cannot be one value (wrong-type)`},
		{"value and points", gauge(`"value":1,"points":[{"v":1}]`), `byte 101: a record has either value or points, this one has both (wrong-type)`},
		{"points is an object", gauge(`"points":{"v":1}`), `byte 81: points: want an array of points, found an object (wrong-type)`},
		{"a point is a number", points("gauge", `{"v":1},2`), `byte 90: points[1]: want an object, found the number 2 (wrong-type)`},
		{"a subtask is negative", points("gauge", `{"s":-1,"v":1}`), `byte 87: points[0].s: want an integer from 0 to 2147483647, found the number -1 (wrong-type)`},
		{"a subtask is enormous", points("gauge", `{"s":2147483648,"v":1}`), `byte 87: points[0].s: want an integer from 0 to 2147483647, found the number 2147483648 (wrong-type)`},
		{"an attempt is a string", points("gauge", `{"a":"1","v":1}`), `byte 87: points[0].a: want an integer from 0 to 2147483647, found the string "1" (wrong-type)`},
		{"a count is a fraction", points("counter", `{"s":0,"c":1},{"s":1,"c":8744577.0}`), `byte 109: points[1].c: want an integer, found the number 8744577.0 (wrong-type)`},
		{"a count is beyond 64 bits", points("counter", `{"c":-9223372036854775809}`), `byte 89: points[0].c: the integer does not fit 64 bits (wrong-type)`},
		{"a rate is text", points("meter", `{"c":1,"r":"12/s"}`), `byte 93: points[0].r: want a number, "NaN", "Inf" or "-Inf", found the string "12/s" (wrong-type)`},
		{"a rate is null", points("meter", `{"c":1,"r":null}`), `byte 93: points[0].r: want a number, "NaN", "Inf" or "-Inf", found null (wrong-type)`},
		{"a gauge is text under v", points("gauge", `{"v":"RUNNING"}`), `byte 87: points[0].v: want a number, "NaN", "Inf" or "-Inf", found the string "RUNNING" (wrong-type)`},
		{"a boolean is a number", points("gauge", `{"b":1}`), `byte 87: points[0].b: want true or false, found the number 1 (wrong-type)`},
		{"a text is a number", points("gauge", `{"t":1}`), `byte 87: points[0].t: want a string, found the number 1 (wrong-type)`},
		{"a number beyond a double", points("gauge", `{"v":1e400}`), `byte 87: points[0].v: the number does not fit a double (wrong-type)`},
		{"a point's label is a number", points("gauge", `{"v":1,"l":{"a":1}}`), `byte 98: points[0].l: want a string, found the number 1 (wrong-type)`},
		{"quantiles are an array", points("histogram", `{"c":1,"q":[1]}`), `byte 97: points[0].q: want an object of quantiles, found an array (wrong-type)`},
		{"a quantile above 1", points("histogram", `{"c":1,"q":{"99":1}}`), `byte 98: points[0].q: want a key that is a number from 0 to 1 (wrong-type)`},
		{"a quantile that is no number", points("histogram", `{"c":1,"q":{"p99":1}}`), `byte 98: points[0].q: want a key that is a number from 0 to 1 (wrong-type)`},
		{"a quantile of text", points("histogram", `{"c":1,"q":{"0.5":"a"}}`), `byte 104: points[0].q: want a number, "NaN", "Inf" or "-Inf", found the string "a" (wrong-type)`},
		{"too many quantiles", points("histogram", `{"c":1,"q":{`+manyQuantiles()+`}}`), `byte 1098: points[0].q: more than 100 quantiles (wrong-type)`},

		{"no task", `{"report_timestamp":1,"metric":"m","type":"gauge","value":1}`, `byte 60: torrent_task_id: the field is missing (missing-field)`},
		{"an empty task", `{"torrent_task_id":"","report_timestamp":1,"metric":"m","type":"gauge","value":1}`, `byte 19: torrent_task_id: the field is empty (missing-field)`},
		{"no timestamp", `{"torrent_task_id":"t","metric":"m","type":"gauge","value":1}`, `byte 61: report_timestamp: the field is missing (missing-field)`},
		{"no metric", `{"torrent_task_id":"t","report_timestamp":1,"type":"gauge","value":1}`, `byte 69: metric: the field is missing (missing-field)`},
		{"an empty metric", `{"torrent_task_id":"t","report_timestamp":1,"metric":"","type":"gauge","value":1}`, `byte 53: metric: the field is empty (missing-field)`},
		{"no type", head + `,"value":1}`, `byte 67: type: the field is missing (missing-field)`},
		{"no value", gauge(`"labels":{}`), `byte 84: the record has neither value nor points (missing-field)`},
		{"no points", points("gauge", ``), `byte 84: points: there are no points (missing-field)`},
		{"a closing record without n", `{"torrent_task_id":"t","report_timestamp":1,"metric":"_report"}`, `byte 63: n: the field is missing (missing-field)`},
		{"a counter without c", points("counter", `{"s":0,"c":1},{"s":1,"v":1}`), `byte 98: points[1]: the point lacks c, the count (missing-field)`},
		{"a meter without r", points("meter", `{"s":0,"c":1}`), `byte 82: points[0]: the point lacks r, the rate (missing-field)`},
		{"a gauge without a value", points("gauge", `{"s":0,"a":1}`), `byte 82: points[0]: the point lacks its value, one of v, b and t (missing-field)`},
		{"a histogram without c", points("histogram", `{"mean":1}`), `byte 86: points[0]: the point lacks c, the count (missing-field)`},

		{"an unknown type", head + `,"type":"timer","value":1}`, `byte 64: type: want counter, gauge, meter or histogram, found the string "timer" (unknown-type)`},
		{"a type in capitals", head + `,"type":"Gauge","value":1}`, `byte 64: type: want counter, gauge, meter or histogram, found the string "Gauge" (unknown-type)`},
		{"an empty type", head + `,"type":"","value":1}`, `byte 64: type: want counter, gauge, meter or histogram, found the string "" (unknown-type)`},
		{"a long type", head + `,"type":"` + strings.Repeat("é", 50) + `","value":1}`, `byte 64: type: want counter, gauge, meter or histogram, found the string "éééééééééééé"… (unknown-type)`},
		{"the last type counts", head + `,"type":"gauge","type":"set","value":1}`, `byte 79: type: want counter, gauge, meter or histogram, found the string "set" (unknown-type)`},

		{"5 MB", gauge(`"value":1,"x":"` + strings.Repeat("x", 5<<20) + `"`), `byte 1048576: longer than 1048576 bytes (too-large)`},
		{"5 MB of one number", gauge(`"value":` + strings.Repeat("9", 5<<20)), `byte 1048576: longer than 1048576 bytes (too-large)`},
		{"20,000 points", points("gauge", strings.Repeat(`{"v":1},`, 20_000)+`{"v":1}`), `byte 80082: points: more than 10000 points (too-many-points)`},
		{"a deep unknown field", gauge(`"value":1,"x":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)), `byte 149: nested deeper than 64 levels (too-large)`},
		{"a million brackets", strings.Repeat("[", 1_000_000), `byte 0: want an object, found an array (wrong-type)`},
		{"a million braces", strings.Repeat(`{"a":`, 200_000), `byte 320: nested deeper than 64 levels (too-large)`},
	}
}

func manyQuantiles() string {
	q := []string{}
	for i := range MaxQuantiles + 1 {
		q = append(q, fmt.Sprintf(`"0.%03d":1`, i))
	}
	return strings.Join(q, ",")
}

func TestWrongRecord(t *testing.T) {
	for _, c := range wrongRecords() {
		t.Run(c.name, func(t *testing.T) {
			s := NewScanner()
			var v View
			err := s.Scan([]byte(c.record), &v)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if got := e.Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if err := s.Scan([]byte(meterRecord), &v); err != nil || len(v.Points) != 2 {
				t.Errorf("its neighbour is not read: %v, %d points", err, len(v.Points))
			}
		})
	}
}

func TestRecordCutAnywhereIsNotJSON(t *testing.T) {
	for _, record := range seeds {
		if _, err := Decode([]byte(record)); err != nil {
			continue
		}
		whole := strings.TrimRight(record, " ")
		for n := range len(whole) {
			s := NewScanner()
			var e *Error
			if err := s.Scan([]byte(whole[:n]), new(View)); !errors.As(err, &e) || e.Reason != NotJSON {
				t.Fatalf("%s\ngot %v, want %s", whole[:n], err, NotJSON)
			}
		}
	}
}

// A value that ends in a backslash makes the next fields part of the string. A
// Scanner that knows the layout must see that, wherever the value stands.
func TestBackslashBeforeQuoteIsNoEnd(t *testing.T) {
	const record = `{"torrent_task_id":"t","report_timestamp":1,"rid":"r","scope":"s","metric":"m","type":"gauge",` +
		`"labels":{"a":"b","c":"d"},"points":[{"t":"x","l":{"e":"f"}}]}`
	for _, value := range []string{`"t"`, `"r"`, `"s"`, `"m"`, `"gauge"`, `"b"`, `"d"`, `"a"`, `"x"`, `"f"`} {
		for _, ending := range []string{`\"`, `\\"`, `\\\"`} {
			s := NewScanner()
			compareScan(t, s, []byte(record))
			changed := strings.Replace(record, value, strings.TrimSuffix(value, `"`)+ending, 1)
			compareScan(t, s, []byte(changed))
		}
	}
}

func TestCheckTime(t *testing.T) {
	const now = 1763800000000
	day := MaxAhead.Milliseconds()
	for _, c := range []struct {
		timestamp int64
		want      string
	}{
		{1, ""},
		{now, ""},
		{now + day, ""},
		{now + day + 1000, "byte 0: report_timestamp: 1763886401000 is 86401 s in the future, at most 86400 s are allowed (future-timestamp)"},
		{1<<63 - 1, "byte 0: report_timestamp: 9223372036854775807 is 9223370273054775 s in the future, at most 86400 s are allowed (future-timestamp)"},
	} {
		got := ""
		if err := (&View{Timestamp: c.timestamp}).CheckTime(now); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%d: got %q, want %q", c.timestamp, got, c.want)
		}
	}
}
