package record

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestAppendLabels(t *testing.T) {
	own := metric.Labels{{Name: "torrent_task_id", Value: "t"}}
	for _, c := range []struct {
		name, raw string
		want      metric.Labels
	}{
		{"none", ``, metric.Labels{{Name: "torrent_task_id", Value: "t"}}},
		{"empty", `{ }`, metric.Labels{{Name: "torrent_task_id", Value: "t"}}},
		{"sorted", `{"z":"1","a":"2"}`, metric.Labels{{Name: "a", Value: "2"}, {Name: "torrent_task_id", Value: "t"}, {Name: "z", Value: "1"}}},
		{"the last of a name", `{"a":"1","<a>":"2"}`, metric.Labels{{Name: "a", Value: "2"}, {Name: "torrent_task_id", Value: "t"}}},
		{"also of what was there", `{"torrent_task_id":"u"}`, metric.Labels{{Name: "torrent_task_id", Value: "u"}}},
		{"an empty value is kept", `{"a":"1","a":"","torrent_task_id":""}`, metric.Labels{{Name: "a"}, {Name: "torrent_task_id"}}},
		{"escapes", `{"\u0061":"\"\ud83d\ude00\\"}`, metric.Labels{{Name: "a", Value: "\"😀\\"}, {Name: "torrent_task_id", Value: "t"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var raw []byte
			if c.raw != "" {
				raw = []byte(c.raw)
			}
			got, err := AppendLabels(slices.Clone(own), raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabelName(t *testing.T) {
	for written, want := range map[string]string{
		"host": "host", "<host>": "host", "<host": "_host", "tm.id": "tm_id", "a:b": "a_b", "0a": "_0a", "é": "_",
		"": "_", "<>": "_", "<": "_", "__name__": "_name__", "<__name__>": "_name__", "____": "_", "..a": "_a",
	} {
		if got := LabelName(written); got != want {
			t.Errorf("%q: got %q, want %q", written, got, want)
		}
	}
}

func TestLabelsAndStringsRefuse(t *testing.T) {
	for raw, want := range map[string][2]string{
		``:                 {"byte 0: labels: the record ends too early (not-json)", "byte 0: to: the record ends too early (not-json)"},
		`{"a":"b"`:         {"byte 8: labels: the record ends too early (not-json)", "byte 8: to: the record ends too early (not-json)"},
		`{"a":"b"} `:       {"byte 9: labels: text after the record, found byte 0x20 (not-json)", "byte 0: to: want an array of strings, found an object (wrong-type)"},
		`["a",1]`:          {"byte 0: labels: want an object of strings, found an array (wrong-type)", "byte 5: to: want a string, found the number 1 (wrong-type)"},
		`["a"]x`:           {"byte 0: labels: want an object of strings, found an array (wrong-type)", "byte 5: to: text after the record, found 'x' (not-json)"},
		"{\"a\":\"\xff\"}": {"byte 6: labels: bytes that are not UTF-8 in a string (bad-utf8)", "byte 6: to: bytes that are not UTF-8 in a string (bad-utf8)"},
	} {
		_, err := AppendLabels(nil, []byte(raw))
		_, err2 := AppendStrings(nil, []byte(raw))
		var e *Error
		if !errors.As(err, &e) || err.Error() != want[0] {
			t.Errorf("%s: got %v, want %s", raw, err, want[0])
		}
		if !errors.As(err2, &e) || err2.Error() != want[1] {
			t.Errorf("%s: got %v, want %s", raw, err2, want[1])
		}
	}
}

func TestAppendStrings(t *testing.T) {
	for raw, want := range map[string][]string{
		`[]`: {"own"}, `["a" , "\u0062\n"]`: {"own", "a", "b\n"},
	} {
		got, err := AppendStrings([]string{"own"}, []byte(raw))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", raw, got, err, want)
		}
	}
}

func TestUnquote(t *testing.T) {
	const raw = `a\"b\\c\/d\be\ff\ng\rh\ti\u000aj\u00E9k\ud83d\ude00l é`
	if got, want := Unquote([]byte(raw)), "a\"b\\c/d\be\ff\ng\rh\ti\nj\u00e9k\U0001f600l é"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Unquote may be given bytes that no Scanner has seen.
func TestUnquoteOfWhatIsNoString(t *testing.T) {
	for raw, want := range map[string]string{
		`a\`: `a\`, `\x41`: `\x41`, `\u12`: `\u12`, `\ud800`: `\ud800`, `\ud800\u0041`: `\ud800A`, "\xff\\n": "\xff\n", `\\\`: `\\`,
	} {
		if got := Unquote([]byte(raw)); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}
