package control_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

func TestShortIDKeepsItsFirstValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		here := control.NewShortIDs(topic.Reader(t.Context(), atOnce))
		there := control.NewShortIDs(topic.Reader(t.Context(), atOnce))
		if wrote, err := here.Put(t.Context(), "ab12", "a long name"); err != nil || !wrote {
			t.Fatal(wrote, err)
		}
		synctest.Wait()
		if wrote, err := there.Put(t.Context(), "ab12", "a long name"); err != nil || wrote {
			t.Errorf("again: wrote %t, %v", wrote, err)
		}
		if _, err := there.Put(t.Context(), "ab12", "another name"); !errors.Is(err, control.ErrOtherValue) {
			t.Errorf("another value: %v", err)
		}
		for _, id := range []string{"", "a/b"} {
			if _, err := there.Put(t.Context(), id, "x"); err == nil {
				t.Errorf("%q is an identifier", id)
			}
		}
		if value, ok := there.Get("ab12"); !ok || value != "a long name" || there.Len() != 1 {
			t.Errorf("%q, %t", value, ok)
		}
		if _, ok := there.Get("cd34"); ok {
			t.Error("an identifier that nobody gave out")
		}
	})
}
