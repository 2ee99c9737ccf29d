package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pool gives the client back what a batch was decoded into, once its last record
// is recycled. Of records of 500 bytes it leaves 610 instead of 750 bytes to
// allocate each, 300 instead of 830 in a topic compressed with snappy, which then
// takes a quarter less CPU time.
type pool struct{ records, bytes sync.Pool }

// GetRecords implements kgo.PoolRecords.
func (p *pool) GetRecords(n int) []kgo.Record {
	if r, ok := p.records.Get().(*[]kgo.Record); ok && cap(*r) >= n {
		return *r
	}
	return make([]kgo.Record, n)
}

// PutRecords implements kgo.PoolRecords.
func (p *pool) PutRecords(r []kgo.Record) { p.records.Put(&r) }

// GetDecompressBytes implements kgo.PoolDecompressBytes. The client grows what is
// too small.
func (p *pool) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if b, ok := p.bytes.Get().(*[]byte); ok {
		return *b
	}
	const guess = 4 // times as large, once decompressed
	return make([]byte, 0, guess*len(compressed))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (p *pool) PutDecompressBytes(b []byte) { p.bytes.Put(&b) }

// recycle gives records back. Nothing may use their bytes afterwards.
func recycle(records []*kgo.Record) {
	for _, r := range records {
		r.Recycle()
	}
}
