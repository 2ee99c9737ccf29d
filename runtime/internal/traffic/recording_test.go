package traffic

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

func TestReadAll(t *testing.T) {
	text := flat("t-1", 1_763_800_000_000, "{}") + "\n" + flat("t-2", 1_763_800_000_000, "{}") + "\n"
	pack := func(w io.WriteCloser, into *bytes.Buffer) string {
		_, err := io.WriteString(w, text)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return into.String()
	}
	var gz, zs bytes.Buffer
	z, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	zipped, zstded := pack(gzip.NewWriter(&gz), &gz), pack(z, &zs)
	for name, in := range map[string]string{"plain": text, "gzip": zipped, "zstd": zstded} {
		if rec, err := ReadAll(strings.NewReader(in), native); err != nil || len(rec.Series) != 2 || rec.Series[1].Input.Task != "t-2" {
			t.Errorf("%s: %+v, error %v", name, rec, err)
		}
	}
	for name, tt := range map[string]struct {
		in   io.Reader
		kind error
		says string
	}{
		"nothing":      {strings.NewReader(""), diag.ErrRejected, "traffic file: line 1: there is nothing"},
		"gzip cut off": {strings.NewReader(zipped[:len(zipped)/2]), diag.ErrRejected, "gzip data is cut off"},
		"no gzip":      {strings.NewReader(zipped[:2] + "x"), diag.ErrRejected, "gzip data"},
		"no zstd":      {strings.NewReader(zstded[:4] + strings.Repeat("x", 40)), diag.ErrRejected, "zstd data is damaged"},
		"a bad disk":   {iotest.ErrReader(errors.New("input/output error")), diag.ErrConfig, "input/output error"},
	} {
		if _, err := ReadAll(tt.in, native); !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want %q of kind %v", name, err, tt.says, tt.kind)
		}
	}
}
