package program

import (
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestPickerSelectsAsRulesDo(t *testing.T) {
	set := &policy.Set{Teams: []policy.Team{{Name: "platform", Task: map[string]policy.Task{
		"pay": {Match: policy.TaskMatch{Tasks: []string{"pay*"}}, Enabled: true, Tags: map[string]string{"tier": "gold"}},
	}}}}
	prog, found := Compile(set, Options{})
	if prog == nil {
		t.Fatal(found)
	}
	in := Input{Task: "pay-1", Name: "flink_m", Kind: metric.Gauge, Origin: metric.Native, Labels: metric.Labels{{Name: "host", Value: "h-1"}, {Name: "job_name", Value: "checkout"}}}
	for name, c := range map[string]struct {
		match policy.Match
		want  bool
	}{
		"everything":            {policy.Match{}, true},
		"metric":                {policy.Match{Metrics: []string{"flink_*"}}, true},
		"other metric":          {policy.Match{Metrics: []string{"kafka_*"}}, false},
		"job name":              {policy.Match{Tasks: []string{"check*"}}, true},
		"label":                 {policy.Match{Labels: map[string][]string{"host": {"re:h-[0-9]"}}}, true},
		"label that is not":     {policy.Match{Labels: map[string][]string{"pod": {"?*"}}}, false},
		"tag":                   {policy.Match{Tags: map[string][]string{"tier": {"gold"}}}, true},
		"kind":                  {policy.Match{Kinds: []string{"counter"}}, false},
		"all of them must hold": {policy.Match{Metrics: []string{"flink_m"}, Tasks: []string{"t-2"}}, false},
	} {
		k, err := NewPicker(&c.match)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := k.Picks(prog, in); got != c.want {
			t.Errorf("%s: picked %v, want %v", name, got, c.want)
		}
	}
	for want, m := range map[string]policy.Match{
		"metrics: ":     {Metrics: []string{"re:("}},
		"labels.host: ": {Labels: map[string][]string{"host": {"re:("}}},
		"kinds: ":       {Kinds: []string{"guage"}},
	} {
		if _, err := NewPicker(&m); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want one about %s", err, want)
		}
	}
}
