package kafka

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/engine"
)

func openDir(t *testing.T, dir string) *Embedded {
	t.Helper()
	e, err := OpenEmbedded(EmbeddedOptions{Dir: dir, Topics: []Topic{{Name: testTopic, Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// readAll consumes a topic with a new group, or goes on with a known one, until
// want records came.
func readAll(t *testing.T, e *Embedded, group string, want int) *sink {
	t.Helper()
	b := &bench{t: t, broker: e}
	out := newSink()
	enough := make(chan struct{})
	seen := 0
	out.process = func(_ engine.Partition, msgs []engine.Message) error {
		out.mu.Lock()
		defer out.mu.Unlock()
		if seen < want && seen+len(msgs) >= want {
			close(enough)
		}
		seen += len(msgs)
		return nil
	}
	m := b.join(e.Config(), SourceOptions{Group: group}, out.open)
	select {
	case <-enough:
	case <-time.After(realPatience):
		t.Errorf("%d of %d records came", seen, want)
	}
	m.leave(t)
	return out
}

func publish(t *testing.T, config Config, from, to int) {
	t.Helper()
	pub, err := NewPublisher(config, ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	for i := from; i < to; i++ {
		if err := pub.Publish(t.Context(), testTopic, fmt.Appendf(nil, "task-%d", i%7), strconv.AppendInt(nil, int64(i), 10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := pub.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := pub.Stats(); got.Acked != int64(to-from) || got.Records != got.Acked || got.Failed != 0 || got.Bytes == 0 {
		t.Errorf("published %+v", got)
	}
}

func TestEmbeddedKeepsTopicsRecordsAndOffsets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "broker")
	e := openDir(t, dir)
	publish(t, e.Config(), 0, 500)
	readAll(t, e, "hop1", 500)
	publish(t, e.Config(), 500, 700)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("data directory is %v", info.Mode())
	}
	e = openDir(t, dir)
	if out := readAll(t, e, "hop1", 200); out.total() != 200 {
		t.Errorf("the group went on with %d records, want 200", out.total())
	}
	if out := readAll(t, e, "other", 700); out.total() != 700 {
		t.Errorf("%d records are there, want 700", out.total())
	}
}

func TestEmbeddedTakesADirectoryForItself(t *testing.T) {
	dir := t.TempDir()
	openDir(t, dir)
	_, err := OpenEmbedded(EmbeddedOptions{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "used by another process") {
		t.Errorf("second broker: %v", err)
	}
}

func TestEmbeddedRefusesWhatItCannotUse(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(foreign, "letter.txt")
	broken := t.TempDir()
	e := openDir(t, broken)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, dataFolder, "meta.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := openDir(t, t.TempDir())
	_, port, _ := strings.Cut(taken.Addr(), ":")
	used, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		opts       EmbeddedOptions
	}{
		{"somebody's directory", "not the data directory", EmbeddedOptions{Dir: foreign}},
		{"a file", "not a directory", EmbeddedOptions{Dir: file}},
		{"unreadable state", "meta.json", EmbeddedOptions{Dir: broken}},
		{"a port in use", "address already in use", EmbeddedOptions{Port: used}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := OpenEmbedded(tt.opts)
			if err == nil {
				e.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(foreign, lockFile)); err == nil {
		t.Error("a lock was left in a directory of somebody else")
	}
}

// The child of TestEmbeddedSurvivesKill is this test binary: it runs a broker with
// producers until it is killed, and says what was acknowledged.
func TestBrokerChild(t *testing.T) {
	dir := os.Getenv("SLUICE_TEST_BROKER_DIR")
	if dir == "" {
		t.Skip("only as a child")
	}
	e, err := OpenEmbedded(EmbeddedOptions{Dir: dir, Topics: []Topic{{Name: testTopic, Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	from, err := strconv.Atoi(os.Getenv("SLUICE_TEST_BROKER_FROM"))
	if err != nil {
		t.Fatal(err)
	}
	for ; ; from += 100 {
		publish(t, e.Config(), from, from+100)
		fmt.Println("acked", from+100)
	}
}

func TestEmbeddedSurvivesKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broker")
	acked := 0
	for range 3 {
		acked = runAndKill(t, dir, acked, acked+1000)
	}
	e := openDir(t, dir)
	out := readAll(t, e, "hop1", acked)
	for i := range acked {
		if out.values[strconv.Itoa(i)] == 0 {
			t.Fatalf("record %d of %d acknowledged is gone", i, acked)
		}
	}
	publish(t, e.Config(), 1_000_000, 1_000_100)
	readAll(t, e, "hop1", 100)
}

func runAndKill(t *testing.T, dir string, from, until int) (acked int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBrokerChild$")
	cmd.Env = append(os.Environ(), "SLUICE_TEST_BROKER_DIR="+dir, fmt.Sprintf("SLUICE_TEST_BROKER_FROM=%d", from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for acked < until && lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
			if acked, err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		} else {
			t.Log(lines.Text())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // killed, as it should be
	if acked < until {
		t.Fatalf("the child ended at %d", acked)
	}
	return acked
}

func (e *Embedded) starts(t *testing.T) map[int32]int64 {
	t.Helper()
	starts := map[int32]int64{}
	for _, p := range e.cluster.PartitionInfos(testTopic) {
		starts[p.Partition] = p.LogStartOffset
	}
	return starts
}

func TestEmbeddedTrimsWhatIsReadAndOldButTheLastBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, 1, EmbeddedOptions{Retention: time.Minute, Unread: 10 * time.Minute, TrimEvery: 10 * time.Second})
		trim := func(want int64) {
			t.Helper()
			if err := b.broker.Trim(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := b.broker.starts(t)[0]; got != want {
				t.Fatalf("log starts at %d, want %d", got, want)
			}
		}
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{}, out.open)
		b.send(testTopic, 100)
		until(t, 20*time.Second, "commit", func() bool { return b.committed("hop1") == 100 })
		trim(0) // read, but young
		time.Sleep(70 * time.Second)
		trim(99) // all but the last batch
		b.send(testTopic, 100)
		time.Sleep(80 * time.Second)
		trim(199)

		// A second group that waits for its sink holds everything it has not read,
		// also before its first commit.
		slow := newSink()
		slow.flush = func(ctx context.Context, _ engine.Partition) error { <-ctx.Done(); return ctx.Err() }
		held := b.join(b.broker.Config(), SourceOptions{Group: "store"}, slow.open)
		b.send(testTopic, 100)
		time.Sleep(15 * time.Minute)
		trim(199)
		held.leave(t)
		time.Sleep(20 * time.Second)
		trim(299) // gone, and everything is older than its right to wait
		m.leave(t)
	})
}

func TestEmbeddedKeepsUnreadTopicsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, 1, EmbeddedOptions{Retention: time.Minute, Unread: time.Hour})
		b.send(testTopic, 10)
		time.Sleep(59 * time.Minute)
		if got := b.broker.starts(t)[0]; got != 0 {
			t.Errorf("after 59 minutes the log starts at %d", got)
		}
		time.Sleep(3 * time.Minute)
		if got := b.broker.starts(t)[0]; got != 9 {
			t.Errorf("after 62 minutes the log starts at %d, want 9", got)
		}
	})
}

// What is known of a topic that was deleted says nothing of one that is made again
// under its name.
func TestEmbeddedTrimsATopicMadeAgainByItsOwnAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, 1, EmbeddedOptions{Retention: time.Minute, Unread: time.Hour})
		b.send(testTopic, 100)
		time.Sleep(2 * time.Hour)
		if _, err := b.admin.cl.DeleteTopics(t.Context(), testTopic); err != nil {
			t.Fatal(err)
		}
		if err := b.admin.EnsureTopics(t.Context(), Topic{Name: testTopic, Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		b.publisher()
		b.send(testTopic, 50)
		time.Sleep(5 * time.Minute)
		if got := b.broker.starts(t)[0]; got != 0 {
			t.Errorf("five minutes after it was made again, the log starts at %d", got)
		}
		b.broker.trimming.Lock()
		defer b.broker.trimming.Unlock()
		if n := len(b.broker.marks); n != 1 {
			t.Errorf("%d logs are remembered, want 1", n)
		}
	})
}

// A partition that was trimmed as far as it goes keeps its offsets over restarts,
// so that what groups committed stays true.
func TestEmbeddedOffsetsGoOnAfterTrimAndRestart(t *testing.T) {
	dir := t.TempDir()
	e, err := OpenEmbedded(EmbeddedOptions{
		Dir: dir, Topics: []Topic{{Name: testTopic, Partitions: 1}}, Retention: time.Nanosecond, TrimEvery: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, e.Config(), 0, 300)
	publish(t, e.Config(), 300, 301)
	readAll(t, e, "hop1", 301)
	for range 2 { // the first one only learns how old things are
		if err := e.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.starts(t)[0]; got != 300 {
		t.Errorf("log starts at %d, want 300", got)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openDir(t, dir)
	publish(t, e.Config(), 301, 311)
	if out := readAll(t, e, "hop1", 10); out.total() != 10 || out.flushed["native/0"][0] != 301 {
		t.Errorf("went on with %d records at %v", out.total(), out.flushed["native/0"])
	}
}

func TestEmbeddedMemoryForgets(t *testing.T) {
	e, err := OpenEmbedded(EmbeddedOptions{Topics: []Topic{{Name: testTopic}}})
	if err != nil {
		t.Fatal(err)
	}
	admin := Admin{config: e.Config(), cl: e.adm}
	counts, err := admin.Topics(t.Context())
	if err != nil || counts[testTopic] < 1 {
		t.Errorf("topics %v, %v", counts, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error("second Close:", err)
	}
	if err := e.Trim(t.Context()); err == nil {
		t.Error("trimmed after Close")
	}
}
