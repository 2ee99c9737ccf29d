package kafka

import (
	"encoding/binary"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequest is the largest request the embedded broker takes, in bytes: the default
// of Kafka's socket.request.max.bytes.
const maxRequest = 100 << 20

// errNoRequest is what the broker gets for bytes that are no request of Kafka's.
var errNoRequest = errors.New("not a request of Kafka's")

// listener gives connections on which the embedded broker only sees requests. By
// itself it makes room for whatever length a client names, a gigabyte where that is
// the "GET " of HTTP, and ends the process at a request of a kind it has not heard of.
type listener struct{ net.Listener }

// framed has a listening function give such connections.
func framed(listen func(network, address string) (net.Listener, error)) func(network, address string) (net.Listener, error) {
	return func(network, address string) (net.Listener, error) {
		l, err := listen(network, address)
		if err != nil {
			return nil, err
		}
		return listener{l}, nil
	}
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &requests{Conn: c}, nil
}

// requests fails to read where a request is too long, too short or of an unknown kind.
// One goroutine at a time reads.
type requests struct {
	net.Conn
	head [6]byte // length and kind of the request that is being read
	n    int     // how much of head is known
	left int     // bytes of the request that are behind head
	err  error
}

// Read implements net.Conn.
func (r *requests) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.Conn.Read(b)
	if r.err = r.follow(b[:n]); r.err != nil {
		return 0, r.err
	}
	return n, err
}

// follow goes on with the requests over bytes that came.
func (r *requests) follow(b []byte) error {
	for len(b) > 0 {
		if r.n < len(r.head) {
			k := copy(r.head[r.n:], b)
			r.n += k
			b = b[k:]
			if err := r.check(); err != nil {
				return err
			}
		}
		k := min(r.left, len(b))
		r.left -= k
		b = b[k:]
		if r.n == len(r.head) && r.left == 0 {
			r.n = 0
		}
	}
	return nil
}

// check looks at as much of the head as there is.
func (r *requests) check() error {
	if r.n >= 4 {
		size := binary.BigEndian.Uint32(r.head[:])
		if size < 8 || size > maxRequest { // kind, version and a number of 4 bytes are in every one
			return errNoRequest
		}
		r.left = int(size) - (len(r.head) - 4)
	}
	if r.n == len(r.head) && kmsg.RequestForKey(int16(binary.BigEndian.Uint16(r.head[4:]))) == nil {
		return errNoRequest
	}
	return nil
}
