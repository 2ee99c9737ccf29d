package runtime

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDoctorTellsWhatIsWrong(t *testing.T) {
	outcome := func(cfg Config) map[string]string {
		t.Helper()
		out := map[string]string{}
		for _, c := range Doctor(t.Context(), cfg, Options{}) {
			if out[c.Name] = c.Outcome; c.Seen == "" || c.Outcome != CheckOK && c.Do == "" {
				t.Errorf("%+v says too little", c)
			}
		}
		return out
	}
	good := testConfig(t, simpleSet)
	good.DataDir = t.TempDir()
	if got := outcome(good); got["policies"] == CheckFail || got["data directory"] == CheckFail || got["broker"] != CheckOK {
		t.Errorf("nothing is wrong: %v", got)
	}
	if left, err := os.ReadDir(good.DataDir); err != nil || len(left) > 0 {
		t.Errorf("something stays: %v, %v", left, err)
	}
	bad := testConfig(t, "\tstrem: {}")
	bad.DataDir = filepath.Join(t.TempDir(), "no", "such", "directory")
	bad.Brokers = []string{"127.0.0.1:1"}
	if got := outcome(bad); got["policies"] != CheckFail || got["data directory"] != CheckFail || got["broker"] != CheckFail {
		t.Errorf("everything is wrong: %v", got)
	}
	r := startInstance(t, testConfig(t, simpleSet))
	fresh := testConfig(t, `
	stream: other: {topics: ["other.input"]}
	sink: store: {type: "store", default: true}`)
	fresh.Brokers = r.Status().Brokers
	if got := outcome(fresh); got["broker"] != CheckOK || got["topics"] != CheckWarn {
		t.Errorf("topics are missing: %v", got)
	}
}
