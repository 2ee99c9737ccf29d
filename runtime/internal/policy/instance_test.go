package policy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultInstance(t *testing.T) {
	got, err := DefaultInstance()
	if err != nil {
		t.Fatal(err)
	}
	want := Instance{
		Group: "sluice", Listen: "127.0.0.1:7070", CacheBytes: "256MiB", Log: Log{Format: "text", Level: "info"},
		Git:       Git{Poll: "30s", User: "git"},
		Probation: Probation{For: "30s", Rollback: true, DeadLetters: "10%", Lost: "90%", Failed: "50%", Lag: "5m"},
		Plugins:   PluginBounds{Pages: 256, Batch: "50ms"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadInstance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.cue")
	if _, _, err := LoadInstance(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	text := "package config\n\nimport \"strings\"\n\nlet host = \"kafka.example.com\"\nbrokers: [strings.ToLower(host) + \":9092\"]\nsasl: {user: \"u\", password: \"env://P\"}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, found, err := LoadInstance(path)
	if err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	if in.Brokers[0] != "kafka.example.com:9092" || in.SASL.Mechanism != "scram-sha-512" || in.TLS != nil {
		t.Errorf("%+v", in)
	}
	if err := os.WriteFile(path, []byte("brokers: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if in, found, err = LoadInstance(path); err != nil || len(found) != 1 || found[0].Pos.File != filepath.ToSlash(path) {
		t.Errorf("%+v %v %v", in, found, err)
	}
}

func TestReadInstanceTakesJSON(t *testing.T) {
	in, found, err := ReadInstance("sluice.json", []byte(`{"group": "metrics", "log": {"level": "warn"}}`))
	if err != nil || len(found) > 0 || in.Group != "metrics" || in.Log != (Log{"text", "warn"}) {
		t.Errorf("%+v %v %v", in, found, err)
	}
}
