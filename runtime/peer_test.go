package runtime

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/s2"
	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// A peer is a process of its own with a broker full of load and a remote-write
// receiver that counts, so that a benchmark can tell its own CPU time from theirs.
type peer struct {
	Broker, Sink string
}

const (
	peerVariable   = "SLUICE_TEST_PEER" // how many records the peer's broker holds
	peerTopic      = "flink.native"
	peerPartitions = 8
	peerTasks      = 2000
)

func TestMain(m *testing.M) {
	if IsChild(os.Args[1:]) {
		os.Exit(Child(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if n := os.Getenv(peerVariable); n != "" {
		if err := servePeer(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if conf := os.Getenv(instanceVariable); conf != "" {
		fmt.Fprintln(os.Stderr, serveInstance(conf)) // it ends by being killed
		os.Exit(1)
	}
	// Parallel tests wait for brokers and clocks, hardly ever for a processor: those
	// that load one are not parallel.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// startPeer starts a peer that ends with the benchmark.
func startPeer(b *testing.B, records int) peer {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	if taskset, err := exec.LookPath("taskset"); err == nil { // a core of its own
		cmd = exec.Command(taskset, "-c", "0", exe)
	}
	cmd.Env = append(os.Environ(), peerVariable+"="+strconv.Itoa(records))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close() // which is what it waits for
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	var p peer
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&p); err != nil {
		b.Fatalf("peer: %v", err)
	}
	return p
}

func servePeer(records string) error {
	n, err := strconv.Atoi(records)
	if err != nil {
		return err
	}
	broker, err := kafka.OpenEmbedded(kafka.EmbeddedOptions{Topics: []kafka.Topic{{Name: peerTopic, Partitions: peerPartitions}}})
	if err != nil {
		return err
	}
	defer broker.Close()
	if err := fill(broker.Config(), n); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var samples atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			body, err = s2.Decode(nil, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		samples.Add(countSamples(body))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, samples.Load()) })
	go http.Serve(l, mux) // ends with the process
	if err := json.NewEncoder(os.Stdout).Encode(peer{broker.Addr(), "http://" + l.Addr().String()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// fill writes n records, report after report, ten seconds apart.
func fill(config kafka.Config, n int) error {
	p, err := kafka.NewPublisher(config, kafka.ProducerOptions{Compression: kafka.CompressNone})
	if err != nil {
		return err
	}
	defer p.Close()
	load := testkit.Flat(peerTasks)
	for i := range n {
		_, value := testkit.Report(load, i)
		if err := p.Publish(context.Background(), peerTopic, testkit.Key(i), value); err != nil {
			return err
		}
	}
	return p.Flush(context.Background())
}

// countSamples counts the samples of a remote-write 1.0 request: fields 2 of
// its fields 1.
func countSamples(b []byte) (n int64) {
	eachField(b, func(number uint64, series []byte) {
		if number == 1 {
			eachField(series, func(number uint64, _ []byte) {
				if number == 2 {
					n++
				}
			})
		}
	})
	return n
}

// eachField visits the length-delimited fields of a protobuf message that has no others.
func eachField(b []byte, f func(number uint64, v []byte)) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		size, m := binary.Uvarint(b[n:])
		b = b[n+m:]
		f(tag>>3, b[:size])
		b = b[size:]
	}
}
