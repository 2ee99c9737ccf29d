package rest

import (
	"errors"
	"testing"

	"github.com/sluice-metrics/sluice/api/client"
	"github.com/sluice-metrics/sluice/runtime"
)

// A program asks what a set would do before it applies it.
func TestValidateAndPlanByClient(t *testing.T) {
	s := start(t)
	at, err := client.New(client.Options{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	before := s.instance.Revision()
	files, wrong := candidateFiles(t), map[string]string{"policy.cue": "package policies\n\npolicy: team: 1\n"}
	v, err := at.Validate(t.Context(), files, nil)
	if err != nil || !v.Valid || v.Report.Revision == "" || v.Report.Revision == before {
		t.Errorf("right: %+v, error %v", v, err)
	}
	if v, err := at.Validate(t.Context(), wrong, nil); err != nil || v.Valid || len(v.Report.Findings) == 0 || v.Report.Findings[0].Pos.File != "policy.cue" {
		t.Errorf("wrong: %+v, error %v", v, err)
	}
	all := 1.0
	p, err := at.Plan(t.Context(), runtime.PlanRequest{Files: files, Since: runtime.MaxTrafficSince, MaxDropped: &all, MaxNewSeries: &all})
	if err != nil || p.Base.Revision != before || p.New.Revision != v.Report.Revision || p.Digest == "" || p.Impact == nil || len(p.Gates) != 2 {
		t.Errorf("%+v, error %v", p, err)
	}
	var problem *client.Problem
	if _, err := at.Plan(t.Context(), runtime.PlanRequest{Files: wrong}); !errors.As(err, &problem) || problem.Status != 422 || len(problem.Diagnostics) == 0 {
		t.Errorf("a plan of what is wrong: %v", err)
	}
	if now := s.instance.Revision(); now != before {
		t.Errorf("%s runs", now)
	}
}
