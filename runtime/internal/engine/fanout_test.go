package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func TestDirectModeFeedsTheSinksThatAreMeant(t *testing.T) {
	normal, archive := &wire{}, &wire{}
	b := newBench(t, setup{team: &policy.Team{
		Sink: map[string]policy.Sink{"archive": {Type: "scrape"}},
		Control: map[string]policy.Control{
			"audit": {Ordered: ordered("*_audit"), Tier: "tenant", Action: "route", To: []string{"archive"}},
		}}})
	b.engine.opts.Samples = Fanout{
		{"normal", normal, func(to []string) bool { return to == nil }},
		{"archive", archive, func(to []string) bool { return slices.Contains(to, "archive") }},
	}
	w, err := b.engine.Open(Partition{Topic: "in", Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.worker = w
	b.send(rec(0, "audit", "counter", `{"c":1}`), rec(0, "m", "counter", `{"c":2}`))
	b.flush()
	line := `flink_taskmanager_job_task_%s{job_name="pay", tm_id="tm-1", torrent_task_id="t-1"} %d @%d`
	if want := []string{fmt.Sprintf(line, "m", 2, at(0))}; !slices.Equal(normal.written, want) || normal.flushes != 1 {
		t.Errorf("normal: %v in %d flushes, want %v", normal.written, normal.flushes, want)
	}
	if want := []string{fmt.Sprintf(line, "audit", 1, at(0))}; !slices.Equal(archive.written, want) || archive.flushes != 1 {
		t.Errorf("archive: %v in %d flushes, want %v", archive.written, archive.flushes, want)
	}
	b.balanced()
}
