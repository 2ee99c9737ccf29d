package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestReadBlocks(t *testing.T) {
	dir := t.TempDir()
	if b, err := ReadBlocks(filepath.Join(dir, "none")); err != nil || b != (Blocks{}) {
		t.Errorf("no store: %+v, %v", b, err)
	}
	block := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "meta.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	block("A", `{"minTime": 5000, "maxTime": 9000}`)
	block("B", `{"minTime": 1000, "maxTime": 5000}`)
	want := Blocks{2, time.UnixMilli(1000), time.UnixMilli(9000)}
	if b, err := ReadBlocks(dir); err != nil || b != want {
		t.Errorf("%+v, %v, want %+v", b, err, want)
	}
	block("C", "torn")
	if b, err := ReadBlocks(dir); err == nil {
		t.Errorf("a torn block: %+v", b)
	}
}
