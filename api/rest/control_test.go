package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-metrics/sluice/runtime"
)

// send asks a site to change something and reads the answer into out.
func (s *site) send(t *testing.T, method, path, body string, want int, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		t.Errorf("%s %s: %d, want %d", method, path, res.StatusCode, want)
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
}

func TestTaskIsSwitchedOffAndOn(t *testing.T) {
	s := start(t)
	var task, again runtime.TaskInfo
	var p problemBody
	s.send(t, http.MethodPut, prefix+"/tasks/t-7/enabled", `{"enabled":false,"for":"1h","reason":"too loud","unseen":true}`, 200, &task)
	if task.ID != "t-7" || task.Enabled || task.Override == nil || task.Override.Reason != "too loud" || task.Live {
		t.Errorf("off: %+v", task)
	}
	var list runtime.Page[runtime.Override]
	s.send(t, http.MethodGet, prefix+"/overrides", "", 200, &list)
	if len(list.Items) != 1 || list.Items[0].Target != "t-7" {
		t.Errorf("overrides %+v", list)
	}
	var tasks runtime.Page[runtime.TaskInfo]
	s.send(t, http.MethodGet, prefix+"/tasks?match=t-7&off=true", "", 200, &tasks)
	if len(tasks.Items) != 1 {
		t.Errorf("tasks %+v", tasks)
	}
	for body, code := range map[string]string{
		`{"enabled":false,"for":"1h","reason":"too loud"}`:                  "rejected", // it is seen by nobody
		`{"enabled":false,"for":"soon","reason":"too loud","unseen":true}`:  "bad-request",
		`{"enabled":false,"for":"31d","reason":"too loud","unseen":true}`:   "rejected",
		`{"enabled":false,"for":"1h","reason":"","unseen":true}`:            "rejected",
		`{"enabled":false,"reason":"for how long is it?","unseen":true}`:    "bad-request",
		`{"enabled":false,"for":"-1h","reason":"backwards","unseen":true}`:  "bad-request",
		`{"enabled":"no","for":"1h","reason":"not a truth","unseen":true}`:  "bad-request",
		`{"enabled":false,"for":"1h","reason":"too loud","unseen":"maybe"}`: "bad-request",
	} {
		s.send(t, http.MethodPut, prefix+"/tasks/t-8/enabled", body, 400, &p)
		if p.Code != code {
			t.Errorf("%s: code %s, want %s", body, p.Code, code)
		}
	}
	s.send(t, http.MethodPut, prefix+"/tasks/t-7/enabled", `{"enabled":true,"reason":"it is quiet now"}`, 200, &again)
	if again.ID != "t-7" || !again.Enabled || again.Override != nil || again.Off != "" {
		t.Errorf("on: %+v", again)
	}
	s.send(t, http.MethodPut, prefix+"/tasks/t-7/enabled", `{"enabled":true,"reason":"once more"}`, 404, &p)
	if p.Code != "no-task" { // nothing names it any more
		t.Errorf("on twice: %+v", p)
	}
	s.send(t, http.MethodDelete, prefix+"/overrides/none", "", 404, &p)
	if p.Code != "no-override" {
		t.Errorf("an override that is none: %+v", p)
	}
	var fleet runtime.FleetStatus
	s.await(t, "itself in the fleet", func() bool {
		s.send(t, http.MethodGet, prefix+"/fleet", "", 200, &fleet)
		return fleet.Converged && len(fleet.Instances) == 1 && fleet.Instances[0].This
	})
}
