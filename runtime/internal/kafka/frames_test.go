package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// given is a connection that has been sent some bytes.
type given struct {
	net.Conn
	io.Reader
}

func (g given) Read(b []byte) (int, error) { return g.Reader.Read(b) }

// request is one of Kafka's of a length, which is at least 8.
func request(kind kmsg.Key, size int) []byte {
	b := make([]byte, 4+size)
	binary.BigEndian.PutUint32(b, uint32(size))
	binary.BigEndian.PutUint16(b[4:], uint16(kind))
	return b
}

func TestOnlyRequestsReachTheEmbeddedBroker(t *testing.T) {
	good := append(request(kmsg.Metadata, 8), request(kmsg.Produce, 300)...)
	for name, tt := range map[string]struct {
		sent []byte
		err  error
	}{
		"requests":            {good, nil},
		"HTTP":                {[]byte("GET / HTTP/1.1\r\n"), errNoRequest},
		"TLS":                 {[]byte("\x16\x03\x01\x02\x00\x01"), errNoRequest},
		"too long":            {binary.BigEndian.AppendUint32(nil, maxRequest+1), errNoRequest},
		"too short":           {[]byte{0, 0, 0, 7}, errNoRequest},
		"an unknown kind":     {request(32000, 10), errNoRequest},
		"a negative kind":     {request(-1, 10), errNoRequest},
		"after some requests": {append(bytes.Clone(good), request(32000, 10)...), errNoRequest},
	} {
		for how, read := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "by halves": iotest.HalfReader,
		} {
			c := &requests{Conn: given{Reader: read(bytes.NewReader(tt.sent))}}
			got, err := io.ReadAll(c)
			if !errors.Is(err, tt.err) || tt.err == nil && !bytes.Equal(got, tt.sent) {
				t.Errorf("%s, %s: %d of %d bytes, error %v, want %v", name, how, len(got), len(tt.sent), err, tt.err)
			}
			if n, again := c.Read(make([]byte, 1)); tt.err != nil && (n != 0 || !errors.Is(again, tt.err)) {
				t.Errorf("%s, %s: after the error %d bytes, %v", name, how, n, again)
			}
		}
	}
}

// Who is no client of Kafka's is hung up on, and the broker goes on.
func TestEmbeddedOutlivesWhoIsNoClient(t *testing.T) {
	e, err := OpenEmbedded(EmbeddedOptions{Topics: []Topic{{Name: testTopic, Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, sent := range [][]byte{[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), request(32000, 10)} {
		c, err := net.Dial("tcp", e.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(sent); err != nil {
			t.Error(err)
		}
		if answer, err := io.ReadAll(c); len(answer) > 0 { // it ends, with a reset or without
			t.Errorf("%q is answered with %q, %v", sent, answer, err)
		}
		c.Close()
	}
	publish(t, e.Config(), 0, 10)
}
