package control

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
)

// maxUnpacked bounds what a stored value may become: it was written by an
// instance, but the log is open to others.
const maxUnpacked = 256 << 20

// pack compresses a value for the log.
func pack(value []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(value); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return b.Bytes(), nil
}

// unpack is the reverse of pack.
func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	value, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	if len(value) > maxUnpacked {
		return nil, fmt.Errorf("decompressing: more than %d MiB", maxUnpacked>>20)
	}
	return value, nil
}
