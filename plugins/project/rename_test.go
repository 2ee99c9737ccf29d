package project

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
)

var update = flag.Bool("update", false, "write testdata anew")

// rename is a module that other packages test with, too: it gives the label
// task_name the name task, and halves values.
const rename = "testdata/rename.wasm"

func TestRenameIsAsAssembled(t *testing.T) {
	want := assemble.Rename("task_name", "task", 0.5)
	if *update {
		if err := os.WriteFile(rename, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(rename); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what assemble makes (%v): go test ./plugins/project -update", rename, err)
	}
}
