package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pool gives the client back what a batch was decoded into, once its last record
// is recycled. It saves two thirds of the bytes allocated for a compressed topic,
// and a quarter of the CPU time.
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
