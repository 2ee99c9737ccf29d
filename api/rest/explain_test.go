package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime"
)

func TestExplain(t *testing.T) {
	s := start(t)
	t.Run("answers", s.explained)
	t.Run("refusals", s.unexplained)
}

func (s *site) explained(t *testing.T) {
	path := "/api/v1/explain?"
	var a runtime.Answer
	s.await(t, "sample dropped by the rule", func() bool {
		got := s.get(t, path+form("series", `flink_taskmanager_job_task_buffers_inPoolUsage{torrent_task_id="t-1"}`).Encode())
		a = runtime.Answer{}
		if err := json.Unmarshal([]byte(got.body), &a); err != nil || got.status != http.StatusOK {
			t.Fatalf("%d %s: %v", got.status, got.body, err)
		}
		control := a.Series[0].Control
		return control[len(control)-1].Samples["dropped"] > 0 // the fleet reports what it drops
	})
	e := a.Series[0]
	if e.Decision.Rule != "default/deprecated-duplicates" || a.Revision != s.instance.Status().Revision || a.Policies != "built-in" {
		t.Errorf("%+v by %s of %s", e.Decision, a.Revision, a.Policies)
	}

	record := `{"torrent_task_id":"t-1","report_timestamp":1763800000000,"metric":"up","type":"gauge","value":1}`
	if got := s.get(t, path+form("record", record).Encode()); got.status != http.StatusOK || !strings.Contains(got.body, `"result":["up{torrent_task_id=\"t-1\"}"]`) {
		t.Errorf("a record: %d %s", got.status, got.body)
	}
	if got := s.post(t, path, record); got.status != http.StatusOK || !strings.Contains(got.body, `"result":["up{torrent_task_id=\"t-1\"}"]`) {
		t.Errorf("a record in the body: %d %s", got.status, got.body)
	}
	if got := s.get(t, path+"rule=default/attempts"); got.status != http.StatusOK || !strings.Contains(got.body, `"id":"default/attempts"`) {
		t.Errorf("a rule: %d %s", got.status, got.body)
	}
	if got := s.get(t, path+"why-not=up"); got.status != http.StatusOK || !strings.Contains(got.body, `"verdict":"no rule touches it: it was not reported"`) {
		t.Errorf("a series that is missing: %d %s", got.status, got.body)
	}
}

func (s *site) unexplained(t *testing.T) {
	five := 5
	for query, want := range map[string]problemBody{
		form("series", "up{a=b}").Encode():  {Detail: "'b' where a quoted value should be", Field: "series", Offset: &five},
		form("record", "nonsense").Encode(): {Detail: "want true, false or null (not-json)", Field: "record", Offset: new(int), Hint: "such a record goes to the dead letters"},
		"rule=default/attempt":              {Detail: `the set has no rule "default/attempt"`, Field: "rule", Hint: "did you mean default/attempts?"},
		"series=up&kind=timer":              {Detail: `"timer" is none`, Field: "kind", Hint: "write one of counter, gauge, meter, histogram"},
		"":                                  {Detail: "ask about one of a series, a record, a rule, and a series that is missing", Field: "question"},
		"series=up&rule=x":                  {Detail: "ask about one of a series, a record, a rule, and a series that is missing", Field: "question"},
		"series=up&series=down":             {Detail: "series: there is more than one: ask for each by itself"},
		"metric=up":                         {Detail: `there is no parameter "metric": GET /api/v1/explain takes series, record, rule, why-not, kind, origin`},
		"series=%zz":                        {Detail: `invalid URL escape "%zz"`},
	} {
		got := s.get(t, "/api/v1/explain?"+query)
		want.Title, want.Status = "Bad Request", http.StatusBadRequest
		want.Code = "bad-request"
		if want.Field != "" {
			want.Code = "question"
		}
		want.Type, want.Instance = "urn:sluice:problem:"+want.Code, "urn:sluice:request:"+got.header.Get("X-Request-Id")
		var p problemBody
		if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.status != want.Status {
			t.Errorf("%s: %d %s: %v", query, got.status, got.body, err)
		} else if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if got := s.post(t, "/api/v1/explain?record=x", "{}"); got.status != http.StatusBadRequest {
		t.Errorf("two records: %d %s", got.status, got.body)
	}
	if got := s.post(t, "/api/v1/explain", strings.Repeat(" ", 2<<20)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body without end: %d %s", got.status, got.body)
	}
}

func (s *site) post(t *testing.T, path, body string) answered {
	t.Helper()
	return s.do(t, http.MethodPost, s.url+path, strings.NewReader(body), http.Header{"Content-Type": {"application/json"}})
}
