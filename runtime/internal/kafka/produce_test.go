package kafka

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// hangUp loses the first request of a kind, and the connection with it: the client
// reads the end of the stream where it wants an answer.
type hangUp struct {
	*net.TCPConn
	key  kmsg.Key
	done *atomic.Bool
}

func (c hangUp) Write(request []byte) (int, error) {
	const header = 6 // length and key
	if len(request) < header || kmsg.Key(binary.BigEndian.Uint16(request[4:])) != c.key || !c.done.CompareAndSwap(false, true) {
		return c.TCPConn.Write(request)
	}
	return len(request), c.CloseWrite()
}

// A broker that stops while a client connects is no reason to give records up.
func TestPublisherOutlivesAFirstRequestWithoutAnswer(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.Produce, kmsg.Metadata} {
		t.Run(key.Name(), func(t *testing.T) {
			broker, err := OpenEmbedded(EmbeddedOptions{Topics: []Topic{{Name: testTopic, Partitions: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			defer broker.Close()
			config := broker.Config()
			var done atomic.Bool
			config.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				var d net.Dialer
				conn, err := d.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return hangUp{conn.(*net.TCPConn), key, &done}, nil
			}
			p, err := NewPublisher(config, ProducerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			ctx, cancel := context.WithTimeout(t.Context(), realPatience)
			defer cancel()
			if err := p.Publish(ctx, testTopic, nil, []byte("v")); err != nil {
				t.Fatal(err)
			}
			if err := p.Flush(ctx); err != nil || p.Stats().Acked != 1 {
				t.Errorf("%v; %+v", err, p.Stats())
			}
			if !done.Load() {
				t.Error("the connection was not closed")
			}
		})
	}
}
