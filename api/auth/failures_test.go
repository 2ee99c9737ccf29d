package auth

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

func TestFailures(t *testing.T) {
	var f Failures
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	if w := f.Wait(a, now); w != 0 {
		t.Errorf("nobody has failed: %v", w)
	}
	for i := range MaxFailures {
		if w := f.Wait(a, now); w != 0 {
			t.Fatalf("after %d: %v", i, w)
		}
		if first := f.Add(a, now); first != (i == 0) {
			t.Errorf("failure %d: first %v", i, first)
		}
	}
	for _, c := range []struct {
		from  string
		after time.Duration
		want  time.Duration
	}{
		{"192.0.2.1", 0, window},
		{"::ffff:192.0.2.1", 0, window}, // the same one
		{"192.0.2.1", window - time.Second, time.Second},
		{"192.0.2.1", window, 0},
		{"192.0.2.2", 0, 0},
	} {
		if got := f.Wait(netip.MustParseAddr(c.from), now.Add(c.after)); got != c.want {
			t.Errorf("%s after %v: %v, want %v", c.from, c.after, got, c.want)
		}
	}
	if !f.Add(a, now.Add(window)) || !f.Add(b, now) || f.Wait(a, now.Add(window)) != 0 {
		t.Error("a new minute is none, or an address is another")
	}
	for i := range MaxFailures {
		f.Add(netip.MustParseAddr("2001:db8::1").Next(), now)
		if w := f.Wait(netip.MustParseAddr("2001:db8::ffff"), now); (w > 0) != (i == MaxFailures-1) {
			t.Errorf("an address of the same /64 after %d: %v", i+1, w)
		}
	}
	if f.Wait(netip.MustParseAddr("2001:db8:0:1::1"), now) != 0 || f.Wait(netip.Addr{}, now) != 0 {
		t.Error("another network, or none, has failed")
	}
}

func TestFailuresAreBounded(t *testing.T) {
	var f Failures
	address := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24+uint32(i))))
	}
	for i := range 2 * maxAddresses {
		if first := f.Add(address(i), now); first != (i < maxAddresses) {
			t.Fatalf("address %d: first %v", i, first)
		}
	}
	if len(f.seen) != maxAddresses {
		t.Errorf("%d addresses are remembered", len(f.seen))
	}
	if !f.Add(address(2*maxAddresses), now.Add(window)) || len(f.seen) != 1 {
		t.Errorf("a minute later %d are remembered", len(f.seen))
	}
}
