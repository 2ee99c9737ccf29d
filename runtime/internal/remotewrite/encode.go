package remotewrite

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/klauspost/compress/s2"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// The encoders write protobuf by hand from what Bind prepared: per series only
// lengths, times and values are new. The messages are those of remote write:
// prometheus.WriteRequest (1.0) and io.prometheus.write.v2.Request.

// Most bytes that a sample, a series besides its texts, and a label besides its
// Label message take in either protocol.
const (
	sampleSize     = 2 + 9 + 1 + binary.MaxVarintLen64
	seriesOverhead = 32
	labelOverhead  = 8
)

// Field numbers with their wire types.
const (
	tagValue     = 1<<3 | 1 // Sample.value
	tagTime      = 2 << 3   // Sample.timestamp
	tagSample    = 2<<3 | 2 // TimeSeries.samples
	tagSeries    = 1<<3 | 2 // WriteRequest.timeseries
	tagLabel     = 1<<3 | 2 // TimeSeries.labels
	tagText1     = 1<<3 | 2 // Label.name
	tagText2     = 2<<3 | 2 // Label.value
	tagSymbol    = 4<<3 | 2 // Request.symbols
	tagSeriesV2  = 5<<3 | 2 // Request.timeseries
	tagRefs      = 1<<3 | 2 // TimeSeries.labels_refs
	tagMetadata  = 5<<3 | 2 // TimeSeries.metadata
	tagMetaType  = 1 << 3   // Metadata.type
	metadataSize = 4        // of the whole field
)

// metaTypes are the values of Metadata.MetricType.
var metaTypes = [...]byte{engine.TypeGauge: 2, engine.TypeCounter: 1, engine.TypeSummary: 5, engine.TypeInfo: 6}

// scratch is what encoding needs and sending does not; lanes share it, because
// it is large and each uses it for a moment.
type scratch struct {
	body, series, wire []byte
	refs               []byte // of the blocks in this request
}

// encode appends the compressed request to b.
func (l *lane) encode(b []byte) []byte {
	s := l.sink.pool.Get().(*scratch)
	defer l.sink.pool.Put(s)
	if cap(s.body) < l.size {
		s.body = make([]byte, 0, l.size+l.size/8)
	}
	if l.sink.opts.Protocol == V2 {
		s.body = l.encodeV2(s)
	} else {
		s.body = l.encodeV1(s.body[:0])
	}
	if n := s2.MaxEncodedLen(len(s.body)); cap(s.wire) < n {
		s.wire = make([]byte, n)
	}
	return append(b, s2.EncodeSnappy(s.wire[:cap(s.wire)], s.body)...)
}

func (l *lane) encodeV1(b []byte) []byte {
	for _, ref := range l.touched {
		x := l.series.At(ref)
		name, k := l.labels.symbols.values[x.name].text, &l.labels.blocks.values[x.block]
		fields, split := k.fields, k.split
		b = append(b, tagSeries)
		b = binary.AppendUvarint(b, uint64(labelSize(nameLabel, name)+len(fields)+l.samplesSize(x)))
		b = append(b, fields[:split]...)
		b = appendLabel(b, nameLabel, name)
		b = append(b, fields[split:]...)
		b = l.appendSamples(b, x)
	}
	return b
}

// encodeV2 puts the symbols in front of the series, for receivers that decode in
// one pass.
func (l *lane) encodeV2(s *scratch) []byte {
	table := symbolTable{symbols: l.labels.symbols.values, epoch: l.epoch, b: append(s.body[:0], tagSymbol, 0), next: 1} // number 0 is ""
	s.series, s.refs = s.series[:0], s.refs[:0]
	for _, ref := range l.touched {
		x := l.series.At(ref)
		k := &l.labels.blocks.values[x.block]
		if k.epoch != l.epoch {
			s.refs = table.place(k, s.refs)
		}
		nameKey, name := table.number(l.labels.name), table.number(x.name)
		refs := int(k.to-k.from) + uvarintSize(nameKey) + uvarintSize(name)
		n := 1 + uvarintSize(uint64(refs)) + refs + l.samplesSize(x) + metadataSize

		b := append(s.series, tagSeriesV2)
		b = binary.AppendUvarint(b, uint64(n))
		b = append(b, tagRefs)
		b = binary.AppendUvarint(b, uint64(refs))
		b = append(b, s.refs[k.from:k.mid]...)
		b = binary.AppendUvarint(b, nameKey)
		b = binary.AppendUvarint(b, name)
		b = append(b, s.refs[k.mid:k.to]...)
		b = l.appendSamples(b, x)
		s.series = append(b, tagMetadata, metadataSize-2, tagMetaType, metaTypes[x.typ])
	}
	return append(table.b, s.series...)
}

// symbolTable numbers the symbols of one request as they are met.
type symbolTable struct {
	symbols []symbol
	epoch   uint32
	next    uint32
	b       []byte // the symbols, encoded
}

func (t *symbolTable) number(n uint32) uint64 {
	s := &t.symbols[n]
	if s.epoch != t.epoch {
		s.epoch, s.id = t.epoch, t.next
		t.next++
		t.b = append(t.b, tagSymbol)
		t.b = binary.AppendUvarint(t.b, uint64(len(s.text)))
		t.b = append(t.b, s.text...)
	}
	return uint64(s.id)
}

// place appends the label references of a block to refs and remembers where.
func (t *symbolTable) place(k *block, refs []byte) []byte {
	k.epoch, k.from, k.mid = t.epoch, int32(len(refs)), int32(len(refs))
	for i, s := range k.symbols {
		refs = binary.AppendUvarint(refs, t.number(s))
		if i+1 == k.before {
			k.mid = int32(len(refs))
		}
	}
	k.to = int32(len(refs))
	return refs
}

// samplesSize returns the bytes that appendSamples writes.
func (l *lane) samplesSize(x *series) int {
	n := 0
	for i := x.first; i != end; i = l.points[i].next {
		n += 2 + 9 + 1 + uvarintSize(uint64(l.points[i].time))
	}
	return n
}

// appendSamples writes the samples of a series that wait, oldest first.
func (l *lane) appendSamples(b []byte, x *series) []byte {
	for i := x.first; i != end; i = l.points[i].next {
		p := &l.points[i]
		b = append(b, tagSample, byte(9+1+uvarintSize(uint64(p.time))), tagValue)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.value))
		b = append(b, tagTime)
		b = binary.AppendUvarint(b, uint64(p.time))
	}
	return b
}

func labelSize(name, value string) int {
	n := textsSize(name, value)
	return 1 + uvarintSize(uint64(n)) + n
}

func textsSize(name, value string) int {
	return 2 + uvarintSize(uint64(len(name))) + len(name) + uvarintSize(uint64(len(value))) + len(value)
}

func appendLabel(b []byte, name, value string) []byte {
	b = append(b, tagLabel)
	b = binary.AppendUvarint(b, uint64(textsSize(name, value)))
	b = append(b, tagText1)
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	b = append(b, tagText2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func uvarintSize(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }
