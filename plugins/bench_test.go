package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/plugins/internal/assemble"
	"github.com/sluice-metrics/sluice/plugins/internal/module"
)

// flink makes records with eight labels as a Flink job has them, one of them long.
func flink(n int) *Batch {
	b := &Batch{Now: 1_700_000_000_000, Sequence: 1}
	names := []string{"numRecordsInPerSecond", "numRecordsOutPerSecond", "busyTimeMsPerSecond", "backPressuredTimeMsPerSecond",
		"Heap_Used", "inPoolUsage", "lastCheckpointDuration", "currentInputWatermark"}
	for i := range n {
		job, task := i/250, i/16%12
		label := func(key, format string, args ...any) abi.Pair {
			return abi.Pair{Key: b.Intern(key), Value: b.Intern(fmt.Sprintf(format, args...))}
		}
		b.Add(abi.Record{Time: b.Now + int64(i), Value: float64(i) * 1.5, Name: b.Intern("flink_taskmanager_job_task_" + names[i%len(names)])},
			label("job_id", "a1b2c3d4e5f60718293a4b5c6d7e%04x", job), label("job_name", "orders-%02d", job),
			label("task_name", "Source: orders[%d] -> Calc[%d] -> ConstraintEnforcer[%d] -> Sink: order_detail_%d", task, task+1, task+2, task),
			label("operator_name", "Calc[%d]", task+1), label("subtask_index", "%d", i%32),
			label("tm_id", "container_e17_1690000000000_0042_01_%06d", i%24), label("host", "worker-%03d.internal", i%24),
			label("owner", "team-%07d", job))
	}
	return b
}

// refill puts the records of from into b, as the engine does: it numbers the strings of
// a batch itself.
func refill(b, from *Batch) { b.Fill(from.Records, from.Pairs, from.Strings) }

// guests are the plugins that are measured: an assembled one, the quickstarts that
// lie built beside their sources, the one in Go, built here.
func guests(b *testing.B) map[string][]byte {
	out := map[string][]byte{"assembled": assemble.Rename("task_name", "task", 0.001)}
	files, err := filepath.Glob("../examples/plugins/quickstart-*/*.wasm")
	if err != nil {
		b.Fatal(err)
	}
	goModule := filepath.Join(b.TempDir(), "plugin.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-trimpath", "-o", goModule, ".")
	build.Dir, build.Env = "../examples/plugins/quickstart-go", append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	for _, f := range files {
		out[strings.TrimPrefix(filepath.Base(filepath.Dir(f)), "quickstart-")] = described(b, f, filepath.Dir(f))
	}
	out["go"] = described(b, goModule, "../examples/plugins/quickstart-go") // whatever else lies there
	return out
}

// described reads a module and gives it the manifest of its project.
func described(b *testing.B, file, project string) []byte {
	wasm, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(project, "plugin.json"))
	if err != nil {
		b.Fatal(err)
	}
	var m abi.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		b.Fatal(err)
	}
	out, err := module.AppendManifest(wasm, m)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// BenchmarkTransform passes 1,000 records with eight labels: from the caller's
// records to validated ones. native is a loop in Go that does the same job.
func BenchmarkTransform(b *testing.B) {
	const records = 1000
	from, patient := flink(records), Limits{Batch: time.Minute, Init: time.Minute}
	perRecord := func(b *testing.B, before time.Duration) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
		b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/records, "cpu-ns/record")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("native", func(b *testing.B) {
		var batch Batch
		before := processorTime(b)
		for b.Loop() {
			refill(&batch, from)
			old, now := batch.Intern("task_name"), batch.Intern("task")
			for i := range batch.Records {
				r := &batch.Records[i]
				r.Value *= 0.001
				for k, p := range batch.Labels(r) {
					if p.Key == old {
						batch.Labels(r)[k].Key = now
					}
				}
			}
		}
		perRecord(b, before)
	})
	for name, wasm := range guests(b) {
		for _, o := range []struct {
			name string
			Options
		}{{"metered", Options{Limits: patient}}, {"plain", Options{Limits: patient, Unmetered: true}}} {
			b.Run(name+"/"+o.name, func(b *testing.B) {
				o.Config = []byte(`{"from": "task_name", "to": "task", "factor": 0.001}`)
				i := open(b, wasm, o.Options)
				var batch Batch
				b.ReportAllocs()
				before := processorTime(b)
				for b.Loop() {
					refill(&batch, from)
					if err := i.Transform(context.Background(), &batch); err != nil {
						b.Fatal(err)
					}
				}
				perRecord(b, before)
				b.ReportMetric(float64(i.Fuel())/records, "fuel/record")
			})
		}
	}
}

// processorTime is what the process has used of processors: on a machine that
// others use too it says more than the time that passed.
func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSwap loads a plugin beside another, passes a batch and closes it.
func BenchmarkSwap(b *testing.B) {
	wasm, from, o := assemble.Rename("task_name", "task", 0.001), flink(1000), Options{CacheDir: b.TempDir()}
	for b.Loop() {
		swap(b, wasm, from, o)
	}
	b.ReportMetric(float64(resident(b)), "B-resident")
	b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
}

func swap(t testing.TB, wasm []byte, from *Batch, o Options) {
	p, err := Load(context.Background(), wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	i, err := p.Instance(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var batch Batch
	refill(&batch, from)
	if err := i.Transform(context.Background(), &batch); err != nil {
		t.Fatal(err)
	}
	i.Close()
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// resident returns the bytes of memory that the process has.
func resident(t testing.TB) int {
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("memory in use is read from /proc: ", err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestSwapsLeaveNothing(t *testing.T) {
	wasm, from, o := assemble.Rename("task_name", "task", 0.001), flink(100), Options{CacheDir: t.TempDir()}
	round := func() {
		for range 25 {
			swap(t, wasm, from, o)
		}
	}
	round()
	before := resident(t)
	round()
	round()
	if after := resident(t); after > before+32<<20 {
		t.Errorf("%d bytes are resident after 50 swaps, %d were before", after, before)
	}
}
