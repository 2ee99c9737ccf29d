package rest

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/runtime"
)

// What is read while the pipeline runs, and how often in all.
var loadPaths = []string{
	"/status", "/degrade", "/policies/bundle", "/collect/t-1", "/explain?rule=default/attempts",
	"/explain?series=flink_jobmanager_job_uptime", "/openapi.json", "/short-ids/none",
}

const (
	loadRate   = 500 // requests per second
	loadWindow = 2 * time.Second
)

// BenchmarkReads compares what an instance gets done in a second with and without
// 500 requests a second to its API: windows of each take turns, so that the ratio
// holds for any machine. The fleet sends less than the instance can take: one that
// is busy on every processor gives the requests, and what they take, to each other.
func BenchmarkReads(b *testing.B) {
	cfg, _, err := runtime.LoadConfig(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	r, report, err := runtime.New(b.Context(), cfg, runtime.Options{Fleet: &runtime.FleetOptions{Jobs: 20, Rate: 10_000}})
	if err != nil || r == nil {
		b.Fatal(err, report.Findings)
	}
	server, err := New(r, Options{Listen: "127.0.0.1:0", Log: discard()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- server.Run(ctx) }()
	go func() { ended <- r.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := <-ended; err != nil {
			b.Error(err)
		}
		client.CloseIdleConnections()
	}()
	records := func() uint64 { return runtime.Total(r.Status().Streams).Records }
	for records() < 10_000 {
		wait(b, 20*time.Millisecond)
	}
	load := &reading{client: client, url: server.URL() + prefix}
	rate := func(during func()) float64 {
		from, began := records(), time.Now()
		during()
		return float64(records()-from) / time.Since(began).Seconds()
	}
	var quiet, loaded float64
	var asking time.Duration
	for b.Loop() {
		wait(b, time.Duration(rand.Int64N(int64(loadWindow)))) // else the windows beat with the reports, which come in bursts
		quiet += rate(func() { wait(b, loadWindow) })
		loaded += rate(func() {
			began := time.Now()
			load.during(b, loadWindow)
			asking += time.Since(began)
		})
	}
	if load.failed > 0 {
		b.Fatalf("%d of %d requests failed", load.failed, len(load.took))
	}
	slices.Sort(load.took)
	b.ReportMetric(quiet/float64(b.N), "quiet-rec/s")
	b.ReportMetric(loaded/quiet, "ratio")
	b.ReportMetric(float64(len(load.took))/asking.Seconds(), "req/s")
	b.ReportMetric(load.took[len(load.took)*99/100].Seconds()*1000, "p99-ms")
}

func wait(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-time.After(d):
	case <-b.Context().Done():
		b.Fatal("the benchmark has ended")
	}
}

// reading asks, and remembers how long answers took.
type reading struct {
	client *http.Client
	url    string

	mu     sync.Mutex
	took   []time.Duration
	failed int
}

// during asks at the rate of the load for a time, and waits for the answers.
func (l *reading) during(b *testing.B, d time.Duration) {
	b.Helper()
	paths := make(chan string, loadRate)
	var asking sync.WaitGroup
	for range 16 {
		asking.Go(func() {
			for path := range paths {
				l.ask(path)
			}
		})
	}
	tick := time.NewTicker(time.Second / loadRate)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for most := int(d.Seconds() * loadRate); sent < most; <-tick.C { // on a busy machine a tick may stand for several
		for due := int(time.Since(began).Seconds() * loadRate); sent < min(due, most); sent++ {
			paths <- loadPaths[sent%len(loadPaths)]
		}
	}
	close(paths)
	asking.Wait()
}

func (l *reading) ask(path string) {
	began := time.Now()
	resp, err := l.client.Get(l.url + path)
	ok := err == nil
	if ok {
		_, err = io.Copy(io.Discard, resp.Body)
		ok = err == nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound)
		resp.Body.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, time.Since(began))
	if !ok {
		l.failed++
	}
}
