package program

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whichever of two sets governs a series, it makes the same of it when the reporter
// obeys the document that both have in common.
func TestWhatTwoSetsHaveInCommonChangesNothing(t *testing.T) {
	shorter := 0
	rapid.Check(t, func(t *rapid.T) {
		set := drawFleetSet(t)
		a, found := Compile(set, Options{})
		if a == nil {
			t.Fatal(found)
		}
		other := drawFleetSet(t)
		if rapid.Bool().Draw(t, "akin") { // a change of one rule, as most changes are
			changed := *set
			changed.Teams = append(changed.Teams[:0:0], set.Teams...)
			if i := rapid.IntRange(0, len(changed.Teams)-1).Draw(t, "team"); i < len(other.Teams) {
				changed.Teams[i].Rewrite = other.Teams[i].Rewrite
			}
			other = &changed
		}
		b, found := Compile(other, Options{})
		if b == nil {
			t.Skip(found)
		}
		period := int64(1000)
		task, job, all, origins := drawReports(t, period)
		var in []arrival
		for _, x := range all {
			in = append(in, arrival{usualTopic, x})
		}
		for form, doc := range map[string]*Collect{
			"task": CommonCollect(a.CollectTask(task, job), b.CollectTask(task, job)), "set": CommonCollect(a.CollectAll(), b.CollectAll()),
		} {
			text := doc.Encode("r")
			for name, p := range map[string]*Program{"one": a, "other": b} {
				r, err := newSourceReporter(text, task, period)
				if err != nil {
					t.Fatal(err)
				}
				sent := r.obey(in)
				if len(sent) < len(in) {
					shorter++
				}
				if diff := gocmp.Diff(govern(p, task, origins, in), govern(p, task, origins, sent)); diff != "" {
					t.Fatalf("common document of the %s %s under the %s set\n-alone +after the source: %s", form, text, name, diff)
				}
			}
		}
	})
	if shorter == 0 {
		t.Error("no document ever left anything out, which shows nothing")
	}
}
