package catalogue

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

var update = flag.Bool("update", false, "write the reporter's list of metrics anew")

// reporterList is what Flink's reporter knows of the catalogue: who registers a
// series, and its name with * for what differs.
const reporterList = "../../../plugins/flink/reporter/src/main/resources/io/github/sluicemetrics/flink/native-metrics.txt"

func TestReporterListIsCurrent(t *testing.T) {
	c, err := Load(policies.FS, policies.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range c.Entries() {
		lines = append(lines, e.Origin.String()+" "+pattern(e.Scope, e.Name))
	}
	slices.Sort(lines)
	want := "# Made from policies/catalogue: who registers a series, and its name with * for what differs.\n" + strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(reporterList, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reporterList)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the reporter's list is not that of the catalogue (run with -update; -want +got):\n%s", diff)
	}
}

// pattern is the series name of a metric, with * for each <part> of it.
func pattern(scope, name string) string {
	const mark = "::" // survives metric.SeriesName, and no metric has it
	var b strings.Builder
	for rest := name; rest != ""; {
		before, after, found := strings.Cut(rest, "<")
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString(mark)
		_, rest, _ = strings.Cut(after, ">")
	}
	return strings.ReplaceAll(metric.SeriesName(scope, b.String()), mark, "*")
}
