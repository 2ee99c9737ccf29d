package spell

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		pattern, word string
		want          int
	}{
		{"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "abxc", 1}, {"", "ab", 2}, {"ab", "", 2},
		{"a*c", "abbbc", 0}, {"a*d", "abbbc", 1}, {"*", "anything", 0}, {"a?c", "abc", 0}, {"a?c", "ac", 1}, {"*bufers*", "x_buffers_y", 1},
		{"abcdef", "uvwxyz", 3}, {"abcdef", "a", 3}, {"a", "abcdef", 3}, {"a*", "", 1},
	} {
		var room table
		if got := room.distance(c.pattern, c.word, 3); got != c.want {
			t.Errorf("%q is %d from %q, want %d", c.pattern, got, c.word, c.want)
		}
	}
	if got := Near("operator_nam", []string{"operator_id", "operator_name", "operator_names"}, 2); got != "operator_name" {
		t.Errorf("nearest is %q", got)
	}
	if got := Near("zone", []string{"operator_id"}, 2); got != "" {
		t.Errorf("nearest is %q", got)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"drop", "keep", "sample", "thin", "limit", "route", "brokers", "brokerPort"}
	for s, want := range map[string]string{
		"dorp": "drop", "Keep": "keep", "sampel": "sample", "sampl": "sample", "rou": "route", "limits": "limit",
		"broker": "brokers", "xyz": "", "": "", "drop": "", "quantile": "",
	} {
		if got := Nearest(s, words); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestNearBeginning(t *testing.T) {
	words := []string{"flink_taskmanager_", "flink_jobmanager_"}
	for s, want := range map[string]string{"flink_taskmanger_job_": "flink_taskmanager_", "flink_jobmanager_x": "flink_jobmanager_", "host_load": "", "": ""} {
		if got := NearBeginning(s, words, 2); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
