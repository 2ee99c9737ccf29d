package metric

import (
	"fmt"
	"regexp"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestKinds(t *testing.T) {
	roundTrip(t, "kind", ParseKind, map[string]Kind{"counter": Counter, "gauge": Gauge, "meter": Meter, "histogram": Histogram})
}

func TestOrigins(t *testing.T) {
	roundTrip(t, "origin", ParseOrigin, map[string]Origin{"native": Native, "sql": SQL, "custom": Custom, "system": System, "event": Event})
}

// roundTrip checks that the words, and no others, stand for the values.
func roundTrip[T interface {
	~uint8
	String() string
}](t *testing.T, what string, parse func(string) (T, bool), words map[string]T) {
	t.Helper()
	for w, v := range words {
		if got, ok := parse(w); !ok || got != v {
			t.Errorf("%q is read as %d, %v; want %d", w, got, ok, v)
		}
		if got := v.String(); got != w {
			t.Errorf("%d is written %q, want %q", v, got, w)
		}
	}
	for _, v := range []T{0, T(len(words) + 1), 255} {
		got, want := v.String(), fmt.Sprintf("%s(%d)", what, uint8(v))
		if got != want {
			t.Errorf("%d is written %q, want %q", v, got, want)
		}
		if x, ok := parse(got); ok {
			t.Errorf("%q, which is no word, is read as %d", got, x)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ A-Za-z]{0,10}`)).Draw(t, "word")
		got, ok := parse(s)
		if want, known := words[s]; ok != known || got != want {
			t.Fatalf("%q is read as %d, %v; want %d, %v", s, got, ok, want, known)
		}
	})
}

func TestSeriesName(t *testing.T) {
	for _, c := range []struct{ scope, name, want string }{
		{"taskmanager.job.task.operator", "numRecordsIn", "flink_taskmanager_job_task_operator_numRecordsIn"},
		{"jobmanager", "Status.JVM.CPU.Load", "flink_jobmanager_Status_JVM_CPU_Load"},
		{"", "orders_total", "orders_total"},
		{"", "a:b-c d", "a:b_c_d"},
		{"", "5xx", "_5xx"},
		{"job", "5xx", "flink_job_5xx"},
		{"9", "1", "flink_9_1"},
		{"", "größe/€", "gr__e__"},
		{"a", "x\xffy\n", "flink_a_x_y_"},
		{"a", "", "flink_a_"},
		{"", "", ""},
	} {
		if got := SeriesName(c.scope, c.name); got != c.want {
			t.Errorf("scope %q, metric %q: %q, want %q", c.scope, c.name, got, c.want)
		}
	}
}

func TestLabelName(t *testing.T) {
	for in, want := range map[string]string{
		"host": "host", "task-name": "task_name", "a:b": "a_b", "0": "_0", "a0": "a0", "-0": "_0", "é": "_", "a\xff": "a_", "__name__": "__name__", "": "",
	} {
		if got := LabelName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever Flink calls a thing, Prometheus takes the name, and as little as can
// be is lost: one character stands for one.
func TestNamesAreLegal(t *testing.T) {
	series := regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	label := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9_:. -]{0,8}`),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "bytes")) }))
	rapid.Check(t, func(t *rapid.T) {
		scope, name := text.Draw(t, "scope"), text.Draw(t, "name")
		if got := SeriesName(scope, name); scope+name != "" && !series.MatchString(got) {
			t.Fatalf("series %q", got)
		}
		got := LabelName(name)
		if name != "" && !label.MatchString(got) {
			t.Fatalf("label %q", got)
		}
		if more := len(got) - utf8.RuneCountInString(name); more != 0 && (more != 1 || got[0] != '_') {
			t.Fatalf("%q has another length than %q", got, name)
		}
		if again := LabelName(got); again != got {
			t.Fatalf("%q, which is legal, becomes %q", got, again)
		}
	})
}
