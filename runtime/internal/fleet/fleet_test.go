package fleet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/record"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// entries is the catalogue that Sluice ships.
var entries = sync.OnceValues(func() ([]catalogue.Entry, error) {
	c, err := catalogue.Load(os.DirFS("../../../policies"), "catalogue")
	if err != nil {
		return nil, err
	}
	return c.Entries(), nil
})

func options(t testing.TB, o Options) Options {
	t.Helper()
	e, err := entries()
	if err != nil {
		t.Fatal(err)
	}
	o.Metrics, o.Native, o.Custom = e, "native", "custom"
	return o
}

// sent is a published record: as it was, and what it says.
type sent struct {
	at         time.Duration // since the start
	topic      string
	key, value []byte
	record.Record
}

// topic collects what is published.
type topic struct {
	began time.Time
	all   []sent
	fail  error
}

func (p *topic) Publish(_ context.Context, topic string, key, value []byte) error {
	p.all = append(p.all, sent{at: time.Since(p.began), topic: topic, key: key, value: value})
	return p.fail
}

// watch runs a fleet in virtual time and decodes what it sends.
func watch(t *testing.T, o Options, length time.Duration) []sent {
	t.Helper()
	o = options(t, o)
	var p topic
	synctest.Test(t, func(t *testing.T) {
		p.began = time.Now()
		f, err := New(o, &p)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), length)
		defer stop()
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range p.all {
		var err error
		if p.all[i].Record, err = record.Decode(p.all[i].value); err != nil {
			t.Fatalf("record %d: %v\n%s", i, err, p.all[i].value)
		}
	}
	return p.all
}

func TestSameSeedSameRecords(t *testing.T) {
	digest := func(seed uint64) (sum [32]byte) {
		h := sha256.New()
		for _, s := range watch(t, Options{Jobs: 7, Seed: seed}, 25*time.Second) {
			h.Write(s.key)
			h.Write(s.value)
		}
		return [32]byte(h.Sum(nil))
	}
	first := digest(1)
	if digest(1) != first {
		t.Error("one seed gave two fleets")
	}
	if digest(2) == first {
		t.Error("two seeds gave one fleet")
	}
}

// TestReports checks what any reader of the topics relies on.
func TestReports(t *testing.T) {
	o := options(t, Options{Jobs: 9})
	f, err := New(o, &topic{})
	if err != nil {
		t.Fatal(err)
	}
	records, samples := f.Size()
	open, seqs, first := map[string]int64{}, map[string]int64{}, 0
	for _, s := range watch(t, o, 35*time.Second) {
		if want := s.Task + "\x00" + s.Metric; string(s.key) != want {
			t.Fatalf("key %q, want %q", s.key, want)
		}
		if want := map[bool]string{true: "custom", false: "native"}[s.Origin == "custom"]; s.topic != want {
			t.Fatalf("%s of origin %q went to %s", s.Metric, s.Origin, s.topic)
		}
		if _, again := seqs[s.RID]; !again {
			records--
			samples -= len(s.Points)
			first++
		}
		if s.Metric != record.ReportMetric {
			open[s.RID]++
			checkLabels(t, s)
			continue
		}
		if s.Report != open[s.RID] {
			t.Errorf("a report of %d records says it had %d", open[s.RID], s.Report)
		}
		if before, ok := seqs[s.RID]; ok && s.Seq != before+1 {
			t.Errorf("report %d of %s follows report %d", s.Seq, s.RID, before)
		}
		seqs[s.RID], open[s.RID] = s.Seq, 0
	}
	if records != 0 || samples != 0 || first == 0 {
		t.Errorf("the first report lacks %d records and %d samples of what Size says", records, samples)
	}
	for rid, n := range open {
		if n != 0 {
			t.Errorf("reporter %s: %d records after the last closing record", rid, n)
		}
	}
}

func checkLabels(t *testing.T, s sent) {
	t.Helper()
	want := map[string]string{
		"jobmanager": "host", "jobmanager.job": "host job_id job_name",
		"jobmanager.job.operator": "host job_id job_name operator_id operator_name task_id",
		"taskmanager":             "host tm_id", "taskmanager.job.task": "host job_id job_name task_id task_name tm_id",
		"taskmanager.job.task.operator": "host job_id job_name operator_id operator_name task_id task_name tm_id",
	}
	scope := s.Scope
	for want[scope] == "" {
		scope = scope[:max(0, strings.LastIndexByte(scope, '.'))]
		if scope == "" {
			t.Fatalf("unknown scope %q", s.Scope)
		}
	}
	var names []string
	for _, l := range s.Labels {
		names = append(names, l.Name)
		if l.Name == "operator_name" && len(l.Value) > nameLimit {
			t.Errorf("operator name of %d characters", len(l.Value))
		}
	}
	if diff := cmp.Diff(want[scope], strings.Join(names, " ")); diff != "" {
		t.Errorf("%s %s: %s", s.Scope, s.Metric, diff)
	}
	for _, p := range s.Points {
		if perRun := strings.HasPrefix(scope, "taskmanager.job.task"); perRun != (p.Subtask >= 0) || perRun != (p.Attempt >= 0) {
			t.Errorf("%s %s: subtask %d, attempt %d", s.Scope, s.Metric, p.Subtask, p.Attempt)
		}
	}
}

// TestCataloguedNames says that every native name sent is one of Flink's, with its kind.
func TestCataloguedNames(t *testing.T) {
	c, err := catalogue.Load(os.DirFS("../../../policies"), "catalogue")
	if err != nil {
		t.Fatal(err)
	}
	wrong := map[string]bool{}
	for _, s := range watch(t, Options{Jobs: 8}, time.Second) {
		if s.Metric == record.ReportMetric {
			continue
		}
		e, ok := c.Lookup(metric.SeriesName(s.Scope, s.Metric))
		if s.Origin == "custom" {
			if ok {
				t.Errorf("user metric %s is one of Flink's", s.Metric)
			}
			continue
		}
		if name := s.Scope + " " + s.Metric; (!ok || e.Kind != s.Kind) && !wrong[name] {
			wrong[name] = true
			t.Errorf("%s is no %s of the catalogue", name, s.Kind)
		}
	}
}

// TestShortDemo says that a look of 15 seconds shows every kind of thing there is.
func TestShortDemo(t *testing.T) {
	find := map[string]func(sent) bool{
		"a value that is NaN":    func(s sent) bool { return len(s.Points) > 0 && math.IsNaN(s.Points[0].Value) },
		"a text":                 func(s sent) bool { return len(s.Points) > 0 && s.Points[0].Form == record.Text },
		"a boolean":              func(s sent) bool { return bytes.Contains(s.value, []byte(`"b":false`)) },
		"a watermark before any": func(s sent) bool { return bytes.Contains(s.value, []byte(`"v":-9223372036854775808`)) },
		"quantiles":              func(s sent) bool { return len(s.Points) > 0 && len(s.Points[0].Hist.Quantiles) == 6 },
		"a meter":                func(s sent) bool { return len(s.Points) > 0 && s.Points[0].Form == record.Rate },
		"several subtasks":       func(s sent) bool { return len(s.Points) > 3 },
		"labels of a point":      func(s sent) bool { return len(s.Points) > 0 && s.Points[0].Labels.Get("channel") == "app" },
		"a SQL metric":           func(s sent) bool { return s.Origin == "sql" },
		"a user metric":          func(s sent) bool { return s.Origin == "custom" },
		"a deprecated duplicate": func(s sent) bool { return s.Scope == "taskmanager.job.task.buffers" },
		"a forwarded client":     func(s sent) bool { return s.Scope == "taskmanager.job.task.operator.KafkaProducer" },
		"a long description":     func(s sent) bool { return len(s.Labels.Get("task_name")) > 400 },
		"a cut operator name":    func(s sent) bool { return len(s.Labels.Get("operator_name")) == nameLimit },
		"a short SQL name":       func(s sent) bool { return strings.HasSuffix(s.Labels.Get("operator_name"), "_1min[7]: Writer") },
		"a DataStream name":      func(s sent) bool { return strings.HasPrefix(s.Labels.Get("operator_name"), "enrich-by-") },
		"the end of an attempt":  func(s sent) bool { return s.End },
		"a second attempt":       func(s sent) bool { return !s.End && len(s.Points) > 0 && s.Points[0].Attempt == 1 },
		"a restart counted":      func(s sent) bool { return s.Metric == "numRestarts" && s.Points[0].Value == 1 },
		"lag":                    func(s sent) bool { return s.Metric == "records-lag-max" && s.Points[0].Value > 1000 },
		"back pressure":          func(s sent) bool { return s.Metric == "isBackPressured" && s.Points[0].Value == 1 },
	}
	for _, s := range watch(t, Options{}, 15*time.Second) {
		for name, is := range find {
			if is(s) {
				delete(find, name)
			}
		}
	}
	for name := range find {
		t.Errorf("15 seconds show no record with %s", name)
	}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"negative jobs":     func(o *Options) { o.Jobs = -1 },
		"negative interval": func(o *Options) { o.Interval = -1 },
		"negative rate":     func(o *Options) { o.Rate = -1 },
		"no metrics":        func(o *Options) { o.Metrics = nil },
		"no native topic":   func(o *Options) { o.Native = "" },
		"no custom topic":   func(o *Options) { o.Custom = "" },
	} {
		o := options(t, Options{})
		change(&o)
		if f, err := New(o, &topic{}); err == nil || f != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPublisherFails(t *testing.T) {
	broken := errors.New("broker is gone")
	f, err := New(options(t, Options{Jobs: 1}), &topic{fail: broken})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := f.Run(ctx); err != nil {
		t.Errorf("a publisher that fails because all ends is no fault, got %v", err)
	}
}
