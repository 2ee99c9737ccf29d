package traffic

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Unpack decompresses in when its first bytes say that it is compressed, by gzip or
// zstd. Errors wrap diag.ErrRejected for damaged data, and diag.ErrConfig for an input that
// cannot be read.
func Unpack(in io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(in, 1<<20)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", diag.ErrConfig, err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", diag.ErrRejected, damaged("gzip", err))
		}
		return unpacked{z, "gzip"}, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", diag.ErrRejected, damaged("zstd", err))
		}
		return unpacked{z.IOReadCloser(), "zstd"}, nil
	}
	return io.NopCloser(b), nil
}

// unpacked is what was compressed; its errors say that the compressed data is wrong.
type unpacked struct {
	io.ReadCloser
	as string
}

func (u unpacked) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	return n, damaged(u.as, err)
}

func damaged(as string, err error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the %s data is cut off before its end: %w", as, err)
	}
	return fmt.Errorf("the %s data is damaged: %w", as, err)
}
