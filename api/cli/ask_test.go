package cli

import "testing"

func TestFittedName(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		n          int
	}{{"short", "short", 5}, {"flink_task_numRecordsIn", "fli…ordsIn", 10}, {"äöüäöüäöü", "ä…öü", 4}} {
		if got := fittedName(tt.name, tt.n); got != tt.want {
			t.Errorf("%q in %d: %q, want %q", tt.name, tt.n, got, tt.want)
		}
	}
}
