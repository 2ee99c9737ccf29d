package control_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-metrics/sluice/runtime/internal/control"
	"github.com/sluice-metrics/sluice/runtime/internal/testkit"
)

// Who deletes overrides whose time is over leaves alone what another instance sets anew
// meanwhile.
func TestSweepLeavesWhatIsSetAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var topic testkit.Topic
		slow := func() time.Duration { return 10 * time.Millisecond }
		sweeper := control.NewOverrides(topic.Reader(t.Context(), slow))
		setter := control.NewOverrides(topic.Reader(t.Context(), atOnce))
		set := func(target string) {
			t.Helper()
			o := control.Override{Kind: control.OverrideTask, Target: target, Until: time.Now().Add(time.Second)}
			if _, err := setter.Put(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		const n = 10
		for i := range n {
			set(fmt.Sprint("t-", i))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if left := len(sweeper.Active()); left != 0 {
			t.Fatalf("%d overrides hold after their time", left)
		}
		swept := make(chan error, 1)
		go func() { swept <- sweeper.Sweep(t.Context()) }()
		time.Sleep(time.Millisecond)
		for i := range n {
			set(fmt.Sprint("t-", i))
		}
		if err := <-swept; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if left := len(setter.Active()); left < n-1 { // one deletion was on its way
			t.Errorf("%d of %d overrides hold that were set anew", left, n)
		}
	})
}
