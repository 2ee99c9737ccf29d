package traffic

import (
	"errors"
	"fmt"
	"io"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Recording is traffic that was recorded, read into memory.
type Recording struct {
	Series []*Series
	Hashed []string // labels whose values are digests
}

// ReadAll reads a file of traffic, or plain records, compressed or not. Errors are
// those of Unpack and of [Wrong].
func ReadAll(in io.Reader, classify Classify) (*Recording, error) {
	plain, err := Unpack(in)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	r, err := Open(plain, classify)
	if err != nil {
		return nil, Wrong("file", err)
	}
	rec := &Recording{Hashed: r.Header().Hashed}
	err = r.Each(func(s *Series) error {
		one := *s
		rec.Series = append(rec.Series, &one)
		return nil
	})
	if err != nil {
		return nil, Wrong("file", err)
	}
	return rec, nil
}

// Wrong says that the content of a file is at fault, when it is: an error about a
// line then wraps diag.ErrRejected. Others stay as they are.
func Wrong(name string, err error) error {
	if at := (*LineError)(nil); errors.As(err, &at) {
		return fmt.Errorf("%w: traffic %s: %w", diag.ErrRejected, name, err)
	}
	return err
}
