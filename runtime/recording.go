package runtime

import (
	"io"

	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

// recordedTraffic is traffic that was recorded, read into memory.
type recordedTraffic struct {
	series []*traffic.Series
	hashed []string // labels whose values are digests
}

// readRecording reads recorded traffic, or plain records, compressed or not. An
// error about the content wraps ErrRejected. Without input there is no recording.
func readRecording(in io.Reader, known *catalogue.Catalogue) (*recordedTraffic, error) {
	if in == nil {
		return nil, nil
	}
	plain, err := decompress(in)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	r, err := traffic.Open(plain, known.Origin)
	if err != nil {
		return nil, wrongTraffic("file", err)
	}
	rec := &recordedTraffic{hashed: r.Header().Hashed}
	err = r.Each(func(s *traffic.Series) error {
		one := *s
		rec.series = append(rec.series, &one)
		return nil
	})
	if err != nil {
		return nil, wrongTraffic("file", err)
	}
	return rec, nil
}
