package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func native(string, string) metric.Origin { return metric.Native }

var at = time.UnixMilli(1_763_800_000_000).UTC()

func write(t interface {
	Helper()
	Fatal(...any)
}, h Header, hash *Hash, all ...Series) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h, hash)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if err := w.Write(&all[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(3); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(text []byte) (r *Reader, all []Series, err error) {
	if r, err = Open(bytes.NewReader(text), native); err != nil {
		return nil, nil, err
	}
	err = r.Each(func(s *Series) error {
		s.Labels = slices.Clone(s.Labels)
		all = append(all, *s)
		return nil
	})
	return r, all, err
}

func drawSeries(t *rapid.T) Series {
	text := rapid.StringN(1, 8, 20)
	s := Series{Scope: text.Draw(t, "scope"), Metric: text.Draw(t, "metric"), Seen: rapid.Int64().Draw(t, "seen")}
	s.Task, s.Name = text.Draw(t, "task"), text.Draw(t, "name")
	s.Kind = rapid.SampledFrom([]metric.Kind{metric.Counter, metric.Gauge, metric.Meter, metric.Histogram}).Draw(t, "kind")
	s.Origin = rapid.SampledFrom([]metric.Origin{metric.Native, metric.Custom, metric.Event}).Draw(t, "origin")
	s.Samples, s.Bytes = rapid.Uint64().Draw(t, "samples"), rapid.Uint64().Draw(t, "bytes")
	s.Seconds = rapid.Float64Range(0, 1e6).Draw(t, "seconds")
	s.Labels = metric.Labels{}
	for range rapid.IntRange(0, 4).Draw(t, "labels") {
		s.Labels = s.Labels.Set(rapid.StringMatching(`[a-z_]{1,3}`).Filter(func(s string) bool { return !strings.HasPrefix(s, "__") }).Draw(t, "label"), text.Draw(t, "value"))
	}
	return s
}

// What is written is read again, and whatever is cut off is noticed.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(drawSeries), 0, 5).Draw(t, "series")
		h := Header{Version: "v1", From: at, To: at.Add(time.Minute), Sources: []string{"here"}, Revision: "r"}
		text := write(t, h, nil, want...)
		r, got, err := read(text)
		if err != nil {
			t.Fatal(err)
		}
		h.Format = Format
		if d := cmp.Diff(h, r.Header()); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b metric.Labels) bool { return slices.Equal(a, b) })); d != "" && len(want)+len(got) > 0 {
			t.Fatal(d)
		}
		if r.LeftOut() != 3 || r.Header().Span() != 60 {
			t.Fatalf("left out %d, span %g", r.LeftOut(), r.Header().Span())
		}
		cut := rapid.IntRange(0, len(text)-2).Draw(t, "cut")
		if _, _, err := read(text[:cut]); err == nil {
			t.Fatalf("cut off after %d of %d bytes, and nobody notices", cut, len(text))
		}
	})
}

func TestDigestIsOfTheContent(t *testing.T) {
	text := write(t, Header{}, nil, Series{Load: program.Load{Input: program.Input{Task: "t", Name: "n", Kind: metric.Gauge, Origin: metric.Native}}})
	digest := func(text []byte) string {
		r, _, err := read(text)
		if err != nil {
			t.Fatal(err)
		}
		return r.Digest()
	}
	if a, b := digest(text), digest(bytes.Clone(text)); a != b || len(a) != 64 {
		t.Errorf("%s and %s", a, b)
	}
	if a, b := digest(text), digest(bytes.Replace(text, []byte(`"t"`), []byte(`"u"`), 1)); a == b {
		t.Error("another task, the same digest")
	}
}

const good = `{"task":"t","name":"n","kind":"gauge","origin":"native","labels":{"a":"b"},"samples":1,"bytes":2,"seconds":3,"seen":4}`

func TestWrongFiles(t *testing.T) {
	head, end := `{"sluice_traffic":1}`+"\n", "\n"+`{"end":{"series":1,"leftOut":0}}`+"\n"
	for _, c := range []struct{ doc, text, want string }{
		{"nothing", "", "line 1: there is nothing: no header of traffic, and no record"},
		{"empty lines", "\n \n", "line 2: there is nothing: no header of traffic, and no record"},
		{"another version", `{"sluice_traffic":2}` + "\n", "line 1: the traffic is in format 2, and this program reads format 1"},
		{"a version that is no number", `{"sluice_traffic":"1"}` + "\n", "line 1: "},
		{"a header that is wrong", `{"sluice_traffic":1,"from":"noon"}` + "\n", "line 1: "},
		{"cut off after the header", head, "line 2: the traffic ends here without its last line: it was cut off"},
		{"cut off after a series", head + good + "\n", "line 3: the traffic ends here without its last line: it was cut off"},
		{"cut off in a series", head + good + "\n" + good[:60], "line 3: unexpected end of JSON input"},
		{"a line is missing", head + "\n" + `{"end":{"series":1}}`, "line 3: the last line counts 1 series, but there are 0"},
		{"more after the end", head + good + end + good, "line 4: there is more after the last line of the traffic"},
		{"no kind", head + strings.Replace(good, "gauge", "guage", 1) + end, `line 2: kind is "guage"; want counter, gauge, meter or histogram`},
		{"no origin", head + strings.Replace(good, "native", "", 1) + end, `line 2: origin is ""; want native, sql, custom, system or event`},
		{"no task", head + strings.Replace(good, `"t"`, `""`, 1) + end, "line 2: a series needs a task and a name"},
		{"no name", head + strings.Replace(good, `"n"`, `""`, 1) + end, "line 2: a series needs a task and a name"},
		{"time runs backwards", head + strings.Replace(good, `"seconds":3`, `"seconds":-3`, 1) + end, "line 2: seconds is -3"},
		{"labels are no texts", head + strings.Replace(good, `"b"`, `1`, 1) + end, "line 2: "},
		{"negative samples", head + strings.Replace(good, `"samples":1`, `"samples":-1`, 1) + end, "line 2: "},
		{"a huge line", head + good + "\n" + strings.Repeat("x", MaxLine+1), "line 3: longer than 4 MiB"},
		{"a huge first line", strings.Repeat("x", MaxLine+1), "line 1: longer than 4 MiB"},
		{"neither traffic nor records", "hello\nworld\n", "line 1: byte 0: want a JSON value, found 'h' (not-json)"},
		{"records without a sample", `{"torrent_task_id":"t","report_timestamp":1,"metric":"_report","n":1}` + "\n", "line 1: no record has a sample"},
	} {
		t.Run(c.doc, func(t *testing.T) {
			_, _, err := read([]byte(c.text))
			var where *LineError
			if !errors.As(err, &where) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
	if _, all, err := read([]byte(head + strings.Replace(good, `"name":"n"`, `"scope":"a.b","metric":"c d"`, 1) + end)); err != nil || all[0].Name != "flink_a_b_c_d" {
		t.Errorf("a name from scope and metric: %v, error %v", all, err)
	}
}

func TestVisitorEndsIt(t *testing.T) {
	enough := errors.New("enough")
	for _, text := range []string{string(write(t, Header{}, nil, Series{Load: program.Load{Input: program.Input{Task: "t", Name: "n", Kind: metric.Gauge, Origin: metric.Native}}})), flat("t", 1, `{}`)} {
		r, err := Open(strings.NewReader(text), native)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Each(func(*Series) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("error %v", err)
		}
	}
}

func flat(task string, ts int64, labels string) string {
	return fmt.Sprintf(`{"torrent_task_id":%q,"report_timestamp":%d,"metric":"m","type":"gauge","value":1,"labels":%s}`+"\n", task, at.UnixMilli()+ts, labels)
}

func TestPlainRecords(t *testing.T) {
	text := flat("t-1", 0, `{"a":"x","b":"y"}`) + "not a record\n\n" +
		flat("t-1", 10_000, `{"b":"y", "a":"x"}`) + // the same series, written otherwise
		flat("t-1", 20_000, `{"a":"x","b":"y"}`) + flat("t-2", 5_000, `{}`) +
		`{"torrent_task_id":"t-1","report_timestamp":1,"metric":"_report","n":1}` + "\n" +
		fmt.Sprintf(`{"v":1,"torrent_task_id":"t-1","report_timestamp":%d,"scope":"job","metric":"n","origin":"custom","type":"counter","labels":{},"points":[{"s":0,"a":1,"c":1},{"s":1,"a":1,"c":1}]}`, at.UnixMilli())
	r, all, err := read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprintf("%s %s%s %s %s: %d in %g s", s.Task, s.Name, s.Labels, s.Kind, s.Origin, s.Samples, s.Seconds))
	}
	want := []string{
		`t-1 m{a="x", b="y", torrent_task_id="t-1"} gauge native: 3 in 30 s`,
		`t-2 m{torrent_task_id="t-2"} gauge native: 1 in 0 s`,
		`t-1 flink_job_n{subtask_index="0", task_attempt_num="1", torrent_task_id="t-1"} counter custom: 1 in 0 s`,
		`t-1 flink_job_n{subtask_index="1", task_attempt_num="1", torrent_task_id="t-1"} counter custom: 1 in 0 s`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if h := r.Header(); r.Unreadable() != 1 || h.Span() != 20 {
		t.Errorf("%d unreadable, %+v", r.Unreadable(), h)
	}
}

// A dump of a topic has a record as the value of each line.
func TestDumpedRecords(t *testing.T) {
	dumped := func(record string) string {
		return `{"topic":"flink.native","partition":0,"offset":7,"timestamp":1,"key":"k","value":` + strings.TrimSpace(record) + "}\n"
	}
	bare := flat("t-1", 0, `{"a":"x"}`) + flat("t-1", 10_000, `{"a":"x"}`) + flat("t-2", 0, `{}`)
	text := ""
	for l := range strings.Lines(bare) {
		text += dumped(l)
	}
	_, want, err := read([]byte(bare))
	if err != nil {
		t.Fatal(err)
	}
	r, got, err := read([]byte(text + `{"topic":"flink.native","value":"torn"}` + "\n"))
	if err != nil || r.Unreadable() != 1 {
		t.Fatal(r, err)
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Series{}, "Load.Bytes")); d != "" {
		t.Error(d)
	}
}

func TestCollectorIsBounded(t *testing.T) {
	c := NewCollector(native, 100*(countedSize+200))
	for i := range 10_000 {
		if err := c.Add([]byte(flat(fmt.Sprint("task-", i), int64(i), `{}`))); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Series(); n < 50 || n > 150 || c.LeftOut() != uint64(10_000-n) {
		t.Errorf("%d series, %d samples left out", n, c.LeftOut())
	}
	if err := c.Add([]byte(flat("task-0", 1, `{}`))); err != nil || c.LeftOut() != uint64(10_000-c.Series()) {
		t.Error("a series that is known is left out")
	}
}

func TestHash(t *testing.T) {
	s := Series{Load: program.Load{Input: program.Input{Task: "t-1", Name: "n", Kind: metric.Gauge, Origin: metric.Native,
		Labels: metric.Labels{{Name: "host", Value: "node-1"}, {Name: "job_name", Value: "pay"}, {Name: "torrent_task_id", Value: "t-1"}}}}}
	if NewHash(nil, nil) != nil {
		t.Error("a hash of no labels")
	}
	text := write(t, Header{}, NewHash([]string{"torrent_task_id", "host", "host"}, []byte("key")), s, s)
	for _, secret := range []string{"node-1", "t-1"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s is in the file: %s", secret, text)
		}
	}
	r, all, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"host", "torrent_task_id"}, r.Header().Hashed); d != "" {
		t.Error(d)
	}
	a, b := all[0], all[1]
	if a.Labels.Get("host") != b.Labels.Get("host") || len(a.Labels.Get("host")) != hashDigits || a.Labels.Get("job_name") != "pay" || a.Task != a.Labels.Get("torrent_task_id") {
		t.Errorf("%s and %s", a.Labels, b.Labels)
	}
	if s.Labels.Get("host") != "node-1" {
		t.Error("the series itself was changed")
	}
	if other := write(t, Header{}, NewHash([]string{"host", "torrent_task_id"}, []byte("other")), s, s); bytes.Equal(text, other) {
		t.Error("another key, the same digests")
	}
}

// No text makes a reader panic, and what it takes can be written again.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"sluice_traffic":1}` + "\n" + good + "\n" + `{"end":{"series":1,"leftOut":0}}`))
	f.Add([]byte(flat("t", 1, `{"a":"b"}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, all, err := read(text)
		if err != nil {
			return
		}
		if _, again, err := read(write(t, r.Header(), nil, all...)); err != nil || len(again) != len(all) {
			t.Errorf("%d series, then %d: %v", len(all), len(again), err)
		}
	})
}
