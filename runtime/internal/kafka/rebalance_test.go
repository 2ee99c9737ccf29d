package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

// cable is a network that can be cut, which is what a killed process looks like
// to a broker.
type cable struct {
	dial dialer

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

var errCut = errors.New("cable is cut")

func (c *cable) plug(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil, errCut
	}
	conn, err := c.dial(ctx, network, address)
	if err == nil {
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

func (c *cable) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for _, conn := range c.conns {
		_ = conn.Close() // it may be closed already
	}
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

// Tests with several members run in real time, with short sessions: while a group
// waits for a member, the client waits on a lock, which is not enough for a bubble
// to let time pass. Where nobody dies sessions have their usual length, for else a
// member that gets no processor for a second is taken for dead.

// realPatience is how long they wait for what must come.
const realPatience = 3 * time.Minute

func TestRebalanceMovesPartitionsWithoutLossOrRepetition(t *testing.T) {
	t.Parallel()
	b := newBench(t, 6)
	out := newSink()
	var members []*member
	for i := range 3 {
		b.send(testTopic, 500)
		members = append(members, b.join(b.broker.Config(), SourceOptions{}, out.open))
		until(t, realPatience, fmt.Sprintf("balance of %d members", i+1), func() bool {
			return owned(members) == 6 && len(members[i].src.Status().Partitions) == 6/(i+1)
		})
	}
	for _, m := range members[:2] {
		b.send(testTopic, 500)
		m.leave(t)
	}
	b.send(testTopic, 500)
	until(t, realPatience, "the last member has everything", func() bool {
		return len(members[2].src.Status().Partitions) == 6 && out.total() == b.sent[testTopic]
	})
	members[2].leave(t)
	for v, n := range out.values {
		if n != 1 {
			t.Errorf("record %s acknowledged %d times", v, n)
		}
	}
	for p, offsets := range out.flushed {
		if !slices.IsSorted(offsets) {
			t.Errorf("%s: out of order", p)
		}
	}
	if got := b.committed("hop1"); got != int64(b.sent[testTopic]) {
		t.Errorf("committed %d of %d", got, b.sent[testTopic])
	}
}

func owned(members []*member) int {
	n := 0
	for _, m := range members {
		n += len(m.src.Status().Partitions)
	}
	return n
}

// TestRebalanceAfterKillsOfStaticMembers kills one of three members at a random
// moment, 20 times, while records keep coming, and starts it again at once. The
// group does not rebalance.
func TestRebalanceAfterKillsOfStaticMembers(t *testing.T) {
	t.Parallel()
	killMembers(t, rand.Uint64(), 20, true)
}

// The same without names that survive, so that the group has to notice.
func TestRebalanceAfterKillsOfDynamicMembers(t *testing.T) {
	t.Parallel()
	killMembers(t, rand.Uint64(), 2, false)
}

func killMembers(t *testing.T, seed uint64, kills int, static bool) {
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	b := newBench(t, 8)
	out := newSink()
	out.flush = func(ctx context.Context, _ engine.Partition) error {
		select { // acknowledgements take their time, so that kills find some pending
		case <-time.After(20 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	start := func(i int) (*member, *cable) {
		config := b.broker.Config()
		c := &cable{dial: config.dial}
		config.dial = c.plug
		if static {
			config.InstanceID = fmt.Sprintf("member-%d", i)
		}
		return b.join(config, SourceOptions{DrainTimeout: time.Second, session: time.Second}, out.open), c
	}
	var members [3]*member
	var cables [3]*cable
	var dead []*member
	for i := range members {
		members[i], cables[i] = start(i)
	}
	for range kills {
		for range random.IntN(10) {
			b.send(testTopic, random.IntN(200))
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		}
		if !static { // the embedded broker forgets to answer who joins while another dies joining
			until(t, realPatience, "balance", func() bool {
				g := b.admin.Group(t.Context(), "hop1")
				return g.State == "Stable" && g.Members == len(members) && owned(members[:]) == 8
			})
		}
		i := random.IntN(3)
		cables[i].pull()
		members[i].cancel()
		dead = append(dead, members[i])
		members[i], cables[i] = start(i)
	}
	b.send(testTopic, 100)
	until(t, realPatience, "every record", func() bool { return out.total() == b.sent[testTopic] })
	until(t, realPatience, "every commit", func() bool { return b.committed("hop1") == int64(b.sent[testTopic]) })
	for _, m := range members {
		m.leave(t)
	}
	for _, m := range dead {
		for range m.done { // an error is no news: it was cut off
		}
	}
	if n := out.openWorkers(); n != 0 {
		t.Errorf("%d workers left open", n)
	}
}

// TestRebalanceLosesNoRecordWhenPartitionsAreLost freezes a member that has
// records in hand until another one has taken over.
func TestRebalanceLosesNoRecordWhenPartitionsAreLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	config := b.broker.Config()
	c := &cable{dial: config.dial}
	config.dial = c.plug
	out := newSink()
	hang := make(chan struct{})
	out.flush = func(ctx context.Context, _ engine.Partition) error {
		select {
		case <-hang:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	frozen := b.join(config, SourceOptions{session: time.Second, DrainTimeout: time.Second}, out.open)
	b.send(testTopic, 100)
	until(t, realPatience, "records in hand", func() bool {
		parts := frozen.src.Status().Partitions
		return len(parts) == 2 && parts[0].Next+parts[1].Next == 100
	})
	c.pull()
	fresh := newSink()
	other := b.join(b.broker.Config(), SourceOptions{session: time.Second}, fresh.open)
	until(t, realPatience, "the other member", func() bool { return fresh.total() == 100 })
	until(t, realPatience, "commit", func() bool { return b.committed("hop1") == 100 })
	close(hang)
	frozen.cancel()
	for range frozen.done {
	}
	if got := b.committed("hop1"); got != 100 {
		t.Errorf("committed %d after the zombie woke up", got)
	}
	other.leave(t)
}
