package plugins

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// The part of WASI preview 1 that a Go guest needs. There are no files, no clock
// but the batch's, no randomness but what the batch determines: the same batch
// gives the same result on every machine, as often as it is processed.

const wasiModule = "wasi_snapshot_preview1"

// maxPrinted is how much of one piece of output is looked at.
const maxPrinted = 64 << 10

// Answers of WASI functions.
const (
	wasiOK     = 0
	wasiBadFD  = 8
	wasiFault  = 21
	wasiInval  = 28
	wasiNoSys  = 52
	wasiStdout = 1
	wasiStderr = 2
)

func wasiRefuse(errno uint64) hostFunc {
	return func(_ *call, _ api.Module, s []uint64) { s[0] = errno }
}

func wasiExit(_ *call, _ api.Module, s []uint64) {
	panic(&stopped{code: abi.Exit, message: fmt.Sprintf("it ended itself with exit code %d", uint32(s[0]))})
}

// reply writes numbers into the guest's memory and answers whether it could.
func reply(m api.Module, s []uint64, at uint32, b []byte) {
	if s[0] = wasiOK; !m.Memory().Write(at, b) {
		s[0] = wasiFault
	}
}

func wasiSizes(of func(*Plugin) []string) hostFunc {
	return func(c *call, m api.Module, s []uint64) {
		list, bytes := of(c.guest.plugin), uint32(0)
		for _, t := range list {
			bytes += uint32(len(t)) + 1
		}
		if countAt, sizeAt := uint32(s[0]), uint32(s[1]); m.Memory().WriteUint32Le(countAt, uint32(len(list))) {
			reply(m, s, sizeAt, binary.LittleEndian.AppendUint32(nil, bytes))
			return
		}
		s[0] = wasiFault
	}
}

func wasiStrings(of func(*Plugin) []string) hostFunc {
	return func(c *call, m api.Module, s []uint64) {
		at, bytesAt := uint32(s[0]), uint32(s[1])
		for _, t := range of(c.guest.plugin) {
			reply(m, s, bytesAt, append([]byte(t), 0))
			if s[0] != wasiOK || !m.Memory().WriteUint32Le(at, bytesAt) {
				s[0] = wasiFault
				return
			}
			at, bytesAt = at+4, bytesAt+uint32(len(t))+1
		}
		s[0] = wasiOK
	}
}

func wasiClock(c *call, m api.Module, s []uint64) {
	now := max(uint64(c.now)*1e6+c.slept, 1) // a Go guest ends itself at 0
	if s[0] = wasiOK; !m.Memory().WriteUint64Le(uint32(s[2]), now) {
		s[0] = wasiFault
	}
}

func wasiRandom(c *call, m api.Module, s []uint64) {
	b, ok := m.Memory().Read(uint32(s[0]), uint32(s[1]))
	if !ok {
		s[0] = wasiFault
		return
	}
	for len(b) > 0 {
		var bits [8]byte
		binary.LittleEndian.PutUint64(bits[:], c.next())
		b = b[copy(b, bits[:]):]
		c.enter()
	}
	s[0] = wasiOK
}

// wasiPoll says that everything waited for is there: nobody sleeps here, the
// guest's clock is put forward by what it would have slept. A
// subscription has 48 bytes, what it is of at 8; an event has 32, error at 8,
// what it is of at 10.
func wasiPoll(c *call, m api.Module, s []uint64) {
	in, out, n, countAt := uint32(s[0]), uint32(s[1]), uint64(uint32(s[2])), uint32(s[3])
	from, okIn := m.Memory().Read(in, uint32(min(n*48, 1<<31)))
	to, okOut := m.Memory().Read(out, uint32(min(n*32, 1<<31)))
	switch {
	case n == 0:
		s[0] = wasiInval
		return
	case !okIn || !okOut:
		s[0] = wasiFault
		return
	}
	for i := range n {
		event := to[i*32 : i*32+32]
		clear(event)
		copy(event, from[i*48:i*48+8])
		event[10] = from[i*48+8]
		c.sleep(from[i*48 : i*48+48])
	}
	reply(m, s, countAt, binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

// sleep puts the clock forward by a subscription of it: its kind is at 8, the time
// in nanoseconds at 24, whether that is a point in time at 40.
func (c *call) sleep(subscription []byte) {
	if subscription[8] != 0 {
		return
	}
	until := binary.LittleEndian.Uint64(subscription[24:])
	if now := uint64(c.now)*1e6 + c.slept; subscription[40]&1 == 0 {
		c.slept += until
	} else if until > now {
		c.slept += until - now
	}
}

// wasiWrite takes what is printed: to standard output and error, one list of
// (address, length) at a time.
func wasiWrite(c *call, m api.Module, s []uint64) {
	fd, at, n, writtenAt := uint32(s[0]), uint32(s[1]), uint64(uint32(s[2])), uint32(s[3])
	if fd != wasiStdout && fd != wasiStderr {
		s[0] = wasiBadFD
		return
	}
	list, ok := m.Memory().Read(at, uint32(min(n*8, 1<<31)))
	if !ok {
		s[0] = wasiFault
		return
	}
	written := uint32(0)
	for v := range slices.Chunk(list, 8) {
		b, ok := m.Memory().Read(binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint32(v[4:]))
		if !ok {
			s[0] = wasiFault
			return
		}
		c.enter()
		c.granted += int64(min(len(b), maxPrinted) / 16)
		c.write(b[:min(len(b), maxPrinted)], fd == wasiStderr)
		written += uint32(len(b))
	}
	reply(m, s, writtenAt, binary.LittleEndian.AppendUint32(nil, written))
}

// wasiStat says that standard input, output and error are character devices that
// can be written to; there is nothing else.
func wasiStat(_ *call, m api.Module, s []uint64) {
	if fd := uint32(s[0]); uint64(fd) > wasiStderr {
		s[0] = wasiBadFD
		return
	}
	stat := make([]byte, 24)
	stat[0] = 2           // a character device
	stat[8] = 1<<6 | 1<<1 // it may be written and read
	reply(m, s, uint32(s[1]), stat)
}
