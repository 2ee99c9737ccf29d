package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// fleet returns a store with two tasks, their samples ten seconds apart.
func fleet(t testing.TB, o Options) *Store {
	t.Helper()
	s := open(t, t.TempDir(), o)
	l := openLane(t, s)
	for i, task := range []string{"t1", "t2"} {
		c := newSeries("flink_records", "task", task, "host", "h")
		c.Type = engine.TypeCounter
		g := newSeries("flink_lag", "task", task)
		counter, gauge := l.Bind(c), l.Bind(g)
		for n := range 31 {
			write(t, l, engine.Sample{Ref: counter, Time: at(10 * n), Value: float64(100 * n * (i + 1))}, engine.Sample{Ref: gauge, Time: at(10 * n), Value: float64(i)})
		}
	}
	return s
}

func TestResultJSON(t *testing.T) {
	s := fleet(t, Options{})
	sec := base.Unix()
	now := base.Add(300 * time.Second)
	for _, c := range []struct{ expr, want string }{
		{"flink_lag", fmt.Sprintf(`{"resultType":"vector","result":[{"metric":{"__name__":"flink_lag","task":"t1"},"value":[%d,"0"]},{"metric":{"__name__":"flink_lag","task":"t2"},"value":[%[1]d,"1"]}]}`, sec+300)},
		{`sum(rate(flink_records[1m]))`, fmt.Sprintf(`{"resultType":"vector","result":[{"metric":{},"value":[%d,"30"]}]}`, sec+300)},
		{`flink_lag{task="none"}`, `{"resultType":"vector","result":[]}`},
		{`flink_lag{task="t2"}[15s]`, fmt.Sprintf(`{"resultType":"matrix","result":[{"metric":{"__name__":"flink_lag","task":"t2"},"values":[[%d,"1"],[%d,"1"]]}]}`, sec+290, sec+300)},
		{`flink_lag{task="none"}[15s]`, `{"resultType":"matrix","result":[]}`},
		{"1/0", fmt.Sprintf(`{"resultType":"scalar","result":[%d,"+Inf"]}`, sec+300)},
		{`"a\"<b>\n"`, fmt.Sprintf(`{"resultType":"string","result":[%d,"a\"<b>\n"]}`, sec+300)},
	} {
		r, err := s.Query(context.Background(), c.expr, now, Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		var got, want any
		b := r.AppendJSON(nil)
		if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal([]byte(c.want), &want)); err != nil {
			t.Errorf("%s: %v in %s", c.expr, err, b)
		}
		equal(t, c.expr, want, got)
	}
}

func TestQueryRange(t *testing.T) {
	s := fleet(t, Options{})
	r, err := s.QueryRange(context.Background(), `flink_records{task="t1"}`, base, base.Add(20500*time.Millisecond), 10250*time.Millisecond, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sec := base.Unix()
	want := fmt.Sprintf(`{"resultType":"matrix","result":[{"metric":{"__name__":"flink_records","host":"h","task":"t1"},"values":[[%d,"0"],[%d.250,"100"],[%d.500,"200"]]}]}`, sec, sec+10, sec+20)
	equal(t, "result", want, string(r.AppendJSON(nil)))
}

func TestBadQueries(t *testing.T) {
	s := fleet(t, Options{})
	ctx, now := context.Background(), base.Add(time.Minute)
	instant := func(expr string) func() error {
		return func() error { _, err := s.Query(ctx, expr, now, Limits{}); return err }
	}
	ranged := func(expr string, end, step time.Duration) func() error {
		return func() error { _, err := s.QueryRange(ctx, expr, now, now.Add(end), step, Limits{}); return err }
	}
	for _, c := range []struct {
		name, text string
		start, end int
		query      func() error
	}{
		{"empty", "no expression found", 0, 0, instant("")},
		{"unfinished", "unclosed left parenthesis", 4, 4, instant("sum(")},
		{"unknown function", "unknown function", 0, 6, instant("nosuch(a)")},
		{"not UTF-8", "", 2, 4, instant("a{\xff}")},
		{"range as vector", "must be Scalar or instant Vector", 0, 0, ranged("a[5m]", time.Hour, time.Minute)},
		{"end before start", "end timestamp", 0, 0, ranged("a", -time.Second, time.Minute)},
		{"no step", "step", 0, 0, ranged("a", time.Hour, 0)},
		{"too many points", "11000 points", 0, 0, ranged("a", 4*time.Hour, time.Second)},
		{"no matcher", "match[]", 0, 0, func() error { _, _, err := s.Series(ctx, nil, now, now, 0); return err }},
		{"matcher that is none", "parse error", 0, 0, func() error { _, _, err := s.Series(ctx, []string{"sum(a)"}, now, now, 0); return err }},
		{"matcher of names", "parse error", 0, 0, func() error { _, _, err := s.LabelNames(ctx, []string{"{"}, now, now, 0); return err }},
		{"no label", "label name", 0, 0, func() error { _, _, err := s.LabelValues(ctx, "", nil, now, now, 0); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e *Error
			if err := c.query(); !errors.As(err, &e) || e.Kind != BadQuery || e.Kind.String() != "bad_data" || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("error %v, want a bad query with %q", err, c.text)
			}
			if c.end > 0 && (e.Start != c.start || e.End != c.end) {
				t.Errorf("%v at %d to %d, want %d to %d", e, e.Start, e.End, c.start, c.end)
			}
		})
	}
}

func TestQueryLimits(t *testing.T) {
	s := fleet(t, Options{MaxSamples: 40})
	now := base.Add(300 * time.Second)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		expr string
		l    Limits
		kind Kind
	}{
		{"too many samples", context.Background(), "flink_records[5m]", Limits{}, TooManySamples},
		{"timeout", context.Background(), "flink_records", Limits{Timeout: 1}, Timeout},
		{"canceled", canceled, "flink_records", Limits{}, Canceled},
		{"cannot be evaluated", context.Background(), "flink_lag * on(host) flink_records", Limits{}, Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Query(c.ctx, c.expr, now, c.l)
			var e *Error
			if !errors.As(err, &e) || e.Kind != c.kind {
				t.Errorf("error %v, want kind %v", err, c.kind)
			}
		})
	}
	for _, expr := range []string{"flink_lag", "flink_lag[15s]"} {
		r, err := s.Query(context.Background(), expr, now, Limits{Series: 1})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, expr, []string{truncated}, r.Warnings)
		if n := strings.Count(string(r.AppendJSON(nil)), "metric"); n != 1 {
			t.Errorf("%s: %d series", expr, n)
		}
	}
	if r, err := s.Query(context.Background(), "flink_lag", now.Add(time.Minute), Limits{Lookback: 30 * time.Second}); err != nil || len(decode[model.Vector](t, r)) != 0 {
		t.Errorf("a lookback of 30 s finds samples a minute old: %v, %v", r, err)
	}
}

func TestInfos(t *testing.T) {
	s := fleet(t, Options{})
	r, err := s.Query(context.Background(), "rate(flink_lag[1m])", base.Add(300*time.Second), Limits{})
	if err != nil || len(r.Infos) != 1 || !strings.Contains(r.Infos[0], "might not be a counter") {
		t.Errorf("infos %q, error %v", r.Infos, err)
	}
}

func TestBrowse(t *testing.T) {
	s := fleet(t, Options{})
	ctx := context.Background()
	var none time.Time
	names := func(matchers ...string) ([]string, []string, error) {
		return s.LabelNames(ctx, matchers, none, none, 0)
	}
	values := func(name string, limit int, matchers ...string) ([]string, []string, error) {
		return s.LabelValues(ctx, name, matchers, none, none, limit)
	}
	for _, c := range []struct {
		name           string
		got            func() ([]string, []string, error)
		want, warnings []string
	}{
		{"names", func() ([]string, []string, error) { return names() }, []string{"__name__", "host", "task"}, nil},
		{"names of a metric", func() ([]string, []string, error) { return names("flink_lag") }, []string{"__name__", "task"}, nil},
		{"names of two", func() ([]string, []string, error) { return names("flink_lag", "flink_records") }, []string{"__name__", "host", "task"}, nil},
		{"values", func() ([]string, []string, error) { return values("task", 0) }, []string{"t1", "t2"}, nil},
		{"values of two", func() ([]string, []string, error) { return values("task", 0, "flink_lag", "flink_records") }, []string{"t1", "t2"}, nil},
		{"values of one series", func() ([]string, []string, error) { return values("task", 0, `flink_lag{task="t2"}`) }, []string{"t2"}, nil},
		{"values of no label", func() ([]string, []string, error) { return values("nosuch", 0) }, []string{}, nil},
		{"as many as allowed", func() ([]string, []string, error) { return values("task", 2) }, []string{"t1", "t2"}, nil},
		{"more than allowed", func() ([]string, []string, error) { return values("task", 1) }, []string{"t1"}, []string{truncated}},
		{"of another time", func() ([]string, []string, error) {
			return s.LabelValues(ctx, "task", nil, base.Add(24*time.Hour), base.Add(25*time.Hour), 0)
		}, []string{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, warnings, err := c.got()
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "names", c.want, got)
			equal(t, "warnings", c.warnings, warnings)
		})
	}
}

func TestSeries(t *testing.T) {
	s := fleet(t, Options{})
	for _, c := range []struct {
		matchers   []string
		start, end time.Time
		limit      int
		want       string
		warnings   int
	}{
		{[]string{"flink_lag"}, time.Time{}, time.Time{}, 0, `[{"__name__":"flink_lag","task":"t1"},{"__name__":"flink_lag","task":"t2"}]`, 0},
		{[]string{`{task="t1"}`, "flink_lag"}, base, base.Add(time.Minute), 0, `[{"__name__":"flink_lag","task":"t1"},{"__name__":"flink_lag","task":"t2"},{"__name__":"flink_records","host":"h","task":"t1"}]`, 0},
		{[]string{"flink_lag"}, time.Time{}, time.Time{}, 1, `[{"__name__":"flink_lag","task":"t1"}]`, 1},
		{[]string{"flink_lag"}, time.Time{}, time.Time{}, 2, `[{"__name__":"flink_lag","task":"t1"},{"__name__":"flink_lag","task":"t2"}]`, 0},
		{[]string{"nosuch"}, time.Time{}, time.Time{}, 0, `[]`, 0},
	} {
		sets, warnings, err := s.Series(context.Background(), c.matchers, c.start, c.end, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(sets)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint(c.matchers), c.want, string(b))
		if len(warnings) != c.warnings {
			t.Errorf("%v: warnings %q", c.matchers, warnings)
		}
	}
}

func TestMetadata(t *testing.T) {
	s := open(t, t.TempDir(), Options{Help: func(family string) (string, string) { return "about " + family, "records" }})
	l := openLane(t, s)
	for name, x := range map[string]struct {
		typ      engine.Type
		quantile string
	}{
		"c": {engine.TypeCounter, ""}, "g": {engine.TypeGauge, ""}, "i_info": {engine.TypeInfo, ""},
		"s": {engine.TypeSummary, "0.5"}, "s_count": {engine.TypeSummary, ""},
	} {
		series := newSeries(name, "quantile", x.quantile)
		series.Type = x.typ
		l.Bind(series)
		l.Bind(series)
	}
	got, err := json.Marshal(s.Metadata("", 0))
	if err != nil {
		t.Fatal(err)
	}
	entry := func(name, typ string) string {
		return fmt.Sprintf(`"%s":[{"type":"%s","help":"about %[1]s","unit":"records"}]`, name, typ)
	}
	equal(t, "all", "{"+strings.Join([]string{entry("c", "counter"), entry("g", "gauge"), entry("i_info", "info"), entry("s", "summary")}, ",")+"}", string(got))
	if n := len(s.Metadata("", 2)); n != 2 {
		t.Errorf("%d families, want 2", n)
	}
	if m := s.Metadata("c", 0); len(m) != 1 || m["c"][0].Type != "counter" {
		t.Errorf("one family: %v", m)
	}
	if m := s.Metadata("nosuch", 0); len(m) != 0 {
		t.Errorf("no family: %v", m)
	}
}

func TestMetadataIsBounded(t *testing.T) {
	m := metadata{families: map[string]Metadata{}}
	for i := range maxFamilies + 10 {
		m.add(newSeries(fmt.Sprint("f", i)))
	}
	if len(m.families) != maxFamilies {
		t.Errorf("%d families, want %d", len(m.families), maxFamilies)
	}
}

// A client of the Prometheus HTTP API reads back every time and value.
func TestPointsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(-1e15, 1e15).Draw(t, "time")
		v := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e21, 1e-7, 123456789.123})).Draw(t, "value")
		var p model.SamplePair
		b := appendPoint(nil, ms, v)
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatalf("%v in %s", err, b)
		}
		if int64(p.Timestamp) != ms || float64(p.Value) != v && !(math.IsNaN(v) && math.IsNaN(float64(p.Value))) {
			t.Errorf("%s reads as %v, want %d and %v", b, p, ms, v)
		}
	})
}

func TestPointText(t *testing.T) {
	for _, c := range []struct {
		ms   int64
		v    float64
		want string
	}{
		{0, 0, `[0,"0"]`}, {1435781451781, 1, `[1435781451.781,"1"]`}, {1000007, 1e20, `[1000.007,"100000000000000000000"]`},
		{1000, 1e21, `[1,"1e+21"]`}, {1070, 1e-7, `[1.070,"1e-07"]`}, {-1500, -0.5, `[-1.500,"-0.5"]`},
		{-7, math.NaN(), `[-0.007,"NaN"]`}, {math.MinInt64, math.Inf(-1), `[-9223372036854775.808,"-Inf"]`},
	} {
		equal(t, "point", c.want, string(appendPoint(nil, c.ms, c.v)))
	}
}

func TestTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		var got string
		if err := json.Unmarshal(appendText(nil, s), &got); err != nil || got != s {
			t.Errorf("%q reads as %q, error %v", s, got, err)
		}
		odd := s + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if b := appendText(nil, odd); !json.Valid(b) || !utf8.Valid(b) {
			t.Errorf("%q becomes %q", odd, b)
		}
	})
}
