package engine

// arena hands out bytes that stay where they are until it is reset: a record
// given to Kafka is read after the call that wrote it. begin and end enclose one
// piece; it is built by append and only copied if it outgrows its estimate.
type arena struct {
	chunk []byte   // being filled
	full  [][]byte // filled since the last reset
	spare [][]byte // to be filled again
}

const (
	arenaChunk = 256 << 10
	arenaSpare = 16 // chunks kept over a reset
)

func (a *arena) begin(estimate int) []byte {
	if cap(a.chunk)-len(a.chunk) < estimate {
		a.full = append(a.full, a.chunk)
		a.chunk = a.next(estimate)
	}
	return a.chunk[len(a.chunk):]
}

func (a *arena) next(estimate int) []byte {
	if n := len(a.spare); n > 0 && estimate <= arenaChunk {
		c := a.spare[n-1]
		a.spare = a.spare[:n-1]
		return c
	}
	return make([]byte, 0, max(arenaChunk, estimate))
}

// end fixes the piece that was appended to what begin returned.
func (a *arena) end(b []byte) []byte {
	n := len(a.chunk)
	if cap(b) == cap(a.chunk)-n { // still in the chunk
		a.chunk = a.chunk[:n+len(b)]
	}
	return b[:len(b):len(b)]
}

// reset takes back everything that was handed out.
func (a *arena) reset() {
	for _, c := range a.full {
		if cap(c) == arenaChunk && len(a.spare) < arenaSpare {
			a.spare = append(a.spare, c[:0])
		}
	}
	clear(a.full)
	a.full, a.chunk = a.full[:0], a.chunk[:0]
}
