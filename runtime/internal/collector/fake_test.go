package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-metrics/sluice/runtime/internal/egress"
	"github.com/sluice-metrics/sluice/runtime/internal/flinkrest"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// jobManager is a REST API that says what a test wants. The answers are by path;
// one that starts with a number is a status and a text.
type jobManager struct {
	mu      sync.Mutex
	answers map[string]string
	asked   map[string]int
	hang    bool // until the caller gives up
}

func (m *jobManager) set(path, answer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[path] = answer
}

// calls returns how often a path was asked for since the last time.
func (m *jobManager) calls(path string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.asked[path]
	m.asked[path] = 0
	return n
}

func (m *jobManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked[r.URL.Path]++
	answer, ok := m.answers[r.URL.Path]
	hang := m.hang
	m.mu.Unlock()
	switch {
	case hang:
		<-r.Context().Done()
	case !ok:
		http.Error(w, `{"errors":["not found"]}`, http.StatusNotFound)
	case strings.HasPrefix(answer, "500"):
		http.Error(w, `{"errors":["broken"]}`, http.StatusInternalServerError)
	case r.URL.Query().Has("get"):
		selected(w, answer, strings.Split(r.URL.Query().Get("get"), ","))
	default:
		w.Write([]byte(answer))
	}
}

// selected answers with those metrics of a list that were asked for.
func selected(w http.ResponseWriter, answer string, names []string) {
	var all, out []flinkrest.MetricValue
	if json.Unmarshal([]byte(answer), &all) != nil {
		w.Write([]byte(answer))
		return
	}
	for _, m := range all {
		if slices.Contains(names, m.ID) {
			out = append(out, m)
		}
	}
	json.NewEncoder(w).Encode(out)
}

// bench is a collector of one JobManager, with a clock of its own.
type bench struct {
	t   *testing.T
	jm  *jobManager
	c   *Collector
	now time.Time
	log bytes.Buffer
	seq int64
}

// begin is when the clocks of the tests start, on the collector and in Flink.
var begin = time.UnixMilli(1_763_800_000_000)

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, jm: &jobManager{answers: map[string]string{}, asked: map[string]int{}}, now: begin}
	server := httptest.NewServer(b.jm)
	client := egress.New(egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	api, err := flinkrest.New(flinkrest.Options{URL: server.URL, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Clusters: []*flinkrest.Client{api}, RID: "a1b2c3d4e5f6", HostName: "here", Identity: Identity{ClusterID: "session"},
		Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	for _, f := range change {
		f(&o)
	}
	b.c = New(o)
	b.jm.set("/overview", `{"taskmanagers":2,"slots-total":8,"slots-available":3,"jobs-running":1,"jobs-finished":0,"jobs-cancelled":0,"jobs-failed":2,"flink-version":"2.1.0"}`)
	b.jm.set("/taskmanagers", `{"taskmanagers":[]}`)
	b.jobs()
	return b
}

// oneJob is a job as a test describes it.
type oneJob struct {
	id, name, state string
	start           int64 // seconds after begin
	running         int64 // when it began to run, seconds after begin; 0: not yet
	restarts        int
}

// jobs makes these the jobs that there are, with plain answers to all calls.
func (b *bench) jobs(all ...oneJob) {
	var listed []string
	for _, j := range all {
		ms := begin.UnixMilli()
		running := int64(0)
		if j.running != 0 {
			running = ms + 1000*j.running
		}
		listed = append(listed, fmt.Sprintf(`{"jid":%q,"name":%q,"state":%q,"start-time":%d}`, j.id, j.name, j.state, ms+1000*j.start))
		b.jm.set("/jobs/"+j.id, fmt.Sprintf(`{"jid":%q,"name":%q,"state":%q,"start-time":%d,"now":%d,"timestamps":{"RUNNING":%d},"vertices":[{"id":"v1","name":"Source: orders","parallelism":2,"status":"RUNNING","tasks":{"RUNNING":2,"FAILED":0},"metrics":{}}],"plan":{"nodes":[{"id":"v1"}]}}`,
			j.id, j.name, j.state, ms+1000*j.start, b.now.UnixMilli(), running))
		b.jm.set("/jobs/"+j.id+"/metrics", fmt.Sprintf(`[{"id":"numRestarts","value":"%d"}]`, j.restarts))
		for path, answer := range map[string]string{
			"/exceptions": `{"exceptionHistory":{"entries":[]}}`, "/config": `{"execution-config":{"user-config":{}}}`, "/vertices/v1/metrics": `[]`,
		} {
			if b.jm.answers["/jobs/"+j.id+path] == "" {
				b.jm.set("/jobs/"+j.id+path, answer)
			}
		}
	}
	b.jm.set("/jobs/overview", `{"jobs":[`+strings.Join(listed, ",")+`]}`)
}

// report is what the records of one round say, by series: "task scope metric{labels}".
type report struct {
	t     *testing.T
	value map[string]string
	ended map[string]bool
}

// round lets time pass and collects; it checks what holds for every report.
func (b *bench) round(after time.Duration) report {
	b.t.Helper()
	b.now = b.now.Add(after)
	return b.read(b.c.Round(b.t.Context(), b.now))
}

func (b *bench) read(records []Record) report {
	b.t.Helper()
	b.seq++
	r := report{b.t, map[string]string{}, map[string]bool{}}
	counts, closed := map[string]int64{}, map[string]int64{}
	for _, x := range records {
		rec, err := record.Decode(x.Value)
		if err != nil {
			b.t.Fatalf("a record cannot be read: %v: %s", err, x.Value)
		}
		if string(x.Key) != rec.Task+"\x00"+rec.Metric || rec.Seq != b.seq || rec.RID != "a1b2c3d4e5f6" || rec.Timestamp != b.now.UnixMilli() {
			b.t.Errorf("key %q, report %d of %q at %d: %s", x.Key, rec.Seq, rec.RID, rec.Timestamp, x.Value)
		}
		if len(x.Value) > 256<<10 || len(rec.Points) > maxPoints {
			b.t.Errorf("a record of %d bytes and %d points", len(x.Value), len(rec.Points))
		}
		if rec.Metric == record.ReportMetric {
			closed[rec.Task] = rec.Report
			continue
		}
		counts[rec.Task]++
		r.take(rec)
	}
	if !maps.Equal(counts, closed) {
		b.t.Errorf("reports are closed with %v, but had %v", closed, counts)
	}
	return r
}

func (r report) take(rec record.Record) {
	r.t.Helper()
	if !slices.ContainsFunc(metrics, func(m Metric) bool { return m.Scope == rec.Scope && m.Name == rec.Metric && m.Kind == rec.Kind }) {
		r.t.Errorf("%s %s %s is not in the table", rec.Kind, rec.Scope, rec.Metric)
	}
	if rec.Origin != "system" {
		r.t.Errorf("origin %s", rec.Origin)
	}
	for _, p := range rec.Points {
		labels := slices.Clone(rec.Labels)
		for _, l := range p.Labels {
			if _, twice := labels.Lookup(l.Name); twice {
				r.t.Errorf("%s %s has the label %s twice", rec.Scope, rec.Metric, l.Name)
			}
			labels = labels.Set(l.Name, l.Value)
		}
		name := fmt.Sprintf("%s %s %s%s", rec.Task, rec.Scope, rec.Metric, labels.Set("cluster", ""))
		value := map[record.Form]string{
			record.Count: "+" + strconv.FormatInt(p.Count, 10), record.Number: strconv.FormatFloat(p.Value, 'g', -1, 64), record.Text: p.Text,
		}[p.Form]
		if _, twice := r.value[name]; twice && !rec.End {
			r.t.Errorf("%s is there twice", name)
		}
		if rec.End {
			r.ended[name] = true
		} else {
			r.value[name] = value
		}
	}
}

// want checks lines "task scope metric{labels} = value"; a value of - means absent.
func (r report) want(lines string) {
	r.t.Helper()
	for line := range strings.Lines(lines) {
		name, want, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if !ok {
			continue
		}
		got, there := r.value[name]
		if want == "-" && there {
			r.t.Errorf("%s is %s, want it absent", name, got)
		}
		if want != "-" && (!there || got != want) {
			r.t.Errorf("%s = %q, want %q; there are\n%s", name, got, want, r.near(name))
		}
	}
}

// near lists the series of a task, for what went wrong.
func (r report) near(name string) string {
	task, _, _ := strings.Cut(name, " ")
	var out []string
	for _, n := range slices.Sorted(maps.Keys(r.value)) {
		if strings.HasPrefix(n, task+" ") {
			out = append(out, "  "+n+" = "+r.value[n])
		}
	}
	return strings.Join(out, "\n")
}

func (r report) ends(want ...string) {
	r.t.Helper()
	for _, w := range want {
		if !r.ended[w] {
			r.t.Errorf("%s has not ended; ended have %q", w, slices.Sorted(maps.Keys(r.ended)))
		}
	}
	if len(want) == 0 && len(r.ended) > 0 {
		r.t.Errorf("ended have %q", slices.Sorted(maps.Keys(r.ended)))
	}
}

// topics are brokers in a test: end offsets by topic and partition.
type topics struct {
	ends  map[string]map[int32]int64
	err   error
	asked int
}

func (s *topics) Topics(context.Context) (map[string]int32, error) {
	out := map[string]int32{}
	for name, p := range s.ends {
		out[name] = int32(len(p))
	}
	return out, s.err
}

func (s *topics) EndOffsets(_ context.Context, names ...string) (map[string]map[int32]int64, error) {
	s.asked++
	out := map[string]map[int32]int64{}
	for _, name := range names {
		if s.err == nil {
			out[name] = s.ends[name]
		}
	}
	return out, s.err
}
