package control_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

func heard(s *control.Instances) (out []string) {
	for _, h := range s.List() {
		out = append(out, fmt.Sprintf("%s %t", h.Name, h.Stale))
	}
	return out
}

func TestInstancesGoStaleAndAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		log := topic.Reader(t.Context(), atOnce)
		s := control.NewInstances(log)
		beat := func(name string) {
			t.Helper()
			if err := s.Beat(t.Context(), control.Instance{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		want := func(want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, heard(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		changed := s.Changed()
		beat("a")
		<-changed
		time.Sleep(control.InstanceStale)
		beat("b")
		want("a false", "b false")
		time.Sleep(time.Millisecond)
		want("a true", "b false")
		time.Sleep(control.InstanceGone - control.InstanceStale)
		want("b true")
		beat("c")
		if left := log.List("instance/"); len(left) != 2 {
			t.Errorf("left %v", left)
		}
		if err := s.Leave(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		want("c false")
		for _, name := range []string{"", "a/b"} {
			if err := s.Beat(t.Context(), control.Instance{Name: name}); err == nil {
				t.Errorf("%q is a name", name)
			}
		}
		for key, value := range map[string]string{"instance/x": "{", "instance/y": `{"name":"z"}`} {
			if err := log.Put(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		want("c false")
	})
}

func TestAuditIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		log := topic.Reader(t.Context(), atOnce)
		a := control.NewAudits(log)
		put := func(text string) {
			t.Helper()
			if err := a.Put(t.Context(), control.Audited{ID: control.NewAuditID(time.Now()), Entry: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		put(`"old"`)
		time.Sleep(control.AuditAge - time.Hour)
		put(`"first"`)
		time.Sleep(2 * time.Hour)
		put(`"second"`)
		for key, value := range map[string]string{"audit/short": `"x"`, "audit/" + control.NewAuditID(time.Now()): "{", "audit/2026-13-45T99:99:99.000000000Z-abcdefgh": `"x"`} {
			if err := log.Put(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		if err := a.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, e := range a.List() {
			got = append(got, string(e.Entry))
		}
		if diff := cmp.Diff([]string{`"second"`, `"first"`}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
