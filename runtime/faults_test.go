package runtime

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/replay"
)

func TestTopologyIsRefused(t *testing.T) {
	t.Parallel()
	stream, store := "\n\tstream: native: {topics: [\"flink.native\"]}", "\n\tsink: store: {type: \"store\", default: true}"
	for name, test := range map[string]struct {
		body, says string
		roles      []string
	}{
		"no stream":     {store, "no stream", nil},
		"no sink":       {stream, "no sink", nil},
		"direct, apart": {"\n\tstream: other: {topics: [\"b\"], level: \"none\", direct: true}" + store, "both roles", []string{"hop1"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t, test.body)
			cfg.Roles = test.roles
			r, report, err := New(context.Background(), cfg, Options{})
			if r != nil || !errors.Is(err, ErrConfig) || !strings.Contains(text(err), test.says) {
				t.Errorf("%v, %v: want an error about the configuration that says %q", err, report.Findings, test.says)
			}
		})
	}
}

func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]func(*Config){
		"policies": func(c *Config) { c.Policies = "/does/not/exist" },
		"broker":   func(c *Config) { c.Brokers = []string{"no port"} },
		"plain without TLS": func(c *Config) {
			c.Brokers, c.SASL = []string{"kafka.example.com:9092"}, &SASL{Mechanism: "plain", User: "u", Password: "env://X"}
		},
		"missing CA": func(c *Config) {
			c.Brokers, c.TLS = []string{"127.0.0.1:1"}, &TLS{Enabled: true, CA: "/does/not/exist"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t, simpleSet)
			wrong(&cfg)
			r, _, err := New(context.Background(), cfg, Options{})
			if err == nil { // what New cannot see, Run must
				ctx, stop := context.WithTimeout(context.Background(), patience)
				defer stop()
				err = r.Run(ctx)
			}
			if !errors.Is(err, ErrConfig) {
				t.Errorf("error %v, want one about the configuration", err)
			}
		})
	}
}

func TestUnreachableBroker(t *testing.T) {
	t.Parallel()
	const addr = "127.0.0.1:1" // nobody listens there
	cfg := testConfig(t, simpleSet)
	cfg.Brokers = []string{addr}
	r, _, err := New(context.Background(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	if err := r.Run(ctx); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), addr) {
		t.Errorf("error %v, want one that no broker is reachable at %s", err, addr)
	}
	if r.Ready() == nil {
		t.Error("the instance says that it is ready")
	}
}

func TestCheckRunsTheTestsOfASet(t *testing.T) {
	dir := writeSet(t, policySet(simpleSet+`
	control: noise: schema.#Drop & {match: metrics: ["noise"], reason: "nobody reads it"}
	test: wrong: {given: [{task: "t", metric: "noise"}], expect: kept: [{metric: "noise"}]}`))
	report, err := Check(context.Background(), dir, Loading{})
	if err != nil || !report.Refused() || report.Tests != 1 {
		t.Fatalf("%v, %+v: want a report that refuses a set with one test", err, report)
	}
	if got := report.Findings[0]; got.Code != diag.TestFailed || got.Pos.Line == 0 {
		t.Errorf("finding %+v, want the test that fails, at its line", got)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	cfg := r.cfg
	cfg.Brokers = r.Status().Brokers
	now := time.Now()
	packed := func(text string, open func(io.Writer) io.WriteCloser) string {
		var b bytes.Buffer
		w := open(&b)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	line := func(metric string) string {
		return flat("t-1", metric, "gauge", now.UnixMilli(), "1") + "\n\n   \n" + flat("t-2", metric, "gauge", now.UnixMilli(), "2")
	}
	past := flat("t-1", "moved", "gauge", 1_000_000, "1") + "\n" + flat("t-2", "moved", "gauge", 1_002_000, "2") + "\n"
	for name, test := range map[string]struct {
		in   string
		opts ReplayOptions
	}{
		"plain": {line("plain"), ReplayOptions{}},
		"gzip":  {packed(line("gzip"), func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }), ReplayOptions{}},
		"zstd": {packed(line("zstd"), func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		}), ReplayOptions{}},
		"moved": {past, ReplayOptions{Now: true, Speed: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			test.opts.Topic = "flink.native"
			done, err := Replay(context.Background(), cfg, strings.NewReader(test.in), test.opts)
			if err != nil || done.Records != 2 {
				t.Fatalf("%+v, %v: want 2 records", done, err)
			}
			r.stored(t, name, time.Now(), map[string]string{
				fmt.Sprintf(`{"__name__":%q,"torrent_task_id":"t-1"}`, name): "1",
				fmt.Sprintf(`{"__name__":%q,"torrent_task_id":"t-2"}`, name): "2",
			})
		})
	}
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	cfg := r.cfg
	cfg.Brokers = r.Status().Brokers
	for name, test := range map[string]struct {
		in   io.Reader
		opts ReplayOptions
		want error
	}{
		"speed":           {strings.NewReader(""), ReplayOptions{Topic: "flink.native", Speed: -1}, ErrConfig},
		"topic":           {strings.NewReader(""), ReplayOptions{Topic: "missing"}, ErrConfig},
		"a pipe, moved":   {io.MultiReader(), ReplayOptions{Topic: "flink.native", Now: true}, ErrConfig},
		"broken gzip":     {strings.NewReader("\x1f\x8bnothing of the kind"), ReplayOptions{Topic: "flink.native"}, ErrRejected},
		"a line too long": {strings.NewReader(strings.Repeat("x", replay.MaxLine+1)), ReplayOptions{Topic: "flink.native"}, ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Replay(context.Background(), cfg, test.in, test.opts); !errors.Is(err, test.want) {
				t.Errorf("error %v, want one of %v", err, test.want)
			}
		})
	}
}
