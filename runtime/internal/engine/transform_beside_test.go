package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-metrics/sluice/plugins/abi"
	"github.com/sluice-metrics/sluice/runtime/internal/ladder"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
)

func TestTapsShowWhatCameOut(t *testing.T) {
	does := func(g *guest, b *Batch, r *abi.Record) {
		if failing(g, b, r); r.Value == 2 {
			r.Flags = abi.Drop
		}
	}
	b, _ := newTransit(t, setup{team: through1("quarantine", "does", func(t *policy.Team) {
		t.Control = map[string]policy.Control{"slow": {Ordered: ordered("*_slow"), Tier: "tenant", Action: "thin", Every: "1m", Pick: "last"}}
	})}, doing{"does": does})
	tap := b.tap(TapOptions{})
	b.send(busyAt(0, 1), busyAt(10, 2), busyAt(20, 13), busyAt(30, "null"),
		rec(0, "slow", "gauge", `{"v":5}`), rec(70, "slow", "gauge", `{"v":6}`))
	from := func(name string) string {
		return `flink_taskmanager_job_task_` + name + `{job_name="pay", tm_id="tm-1", torrent_task_id="t-1"}`
	}
	want := []string{ // what goes through a transform is shown when it comes out
		"in/3@3 t-1 " + from("busy") + ` > - = 0 "" no-value rule= `,
		"in/3@4 t-1 " + from("slow") + ` > ` + from("slow") + ` = 5 "" held rule=platform/slow `,
		"in/3@5 t-1 " + from("slow") + ` > ` + from("slow") + ` = 6 "" held rule=platform/slow `,
		"in/3@0 t-1 " + from("busy") + " > " + maskedBusy + ` = 1 "" out rule= `,
		"in/3@-1 t-1 " + from("slow") + " > " + strings.Replace(maskedBusy, "busy", "slow", 1) + ` = 5 "" out rule=platform/slow `,
		"in/3@1 t-1 " + from("busy") + ` > - = 2 "" dropped rule=platform/t0 `,
		"in/3@2 t-1 " + from("busy") + ` > - = 13 "" quarantined rule=platform/t0 `,
	}
	if got := tap.lines(); !slices.Equal(got, want) {
		t.Errorf("tapped:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	b.balanced()
}

// What is given up under overload is not handed to plugins.
func TestOverloadComesBeforeTransforms(t *testing.T) {
	b, g := newTransit(t, setup{team: through1("pass", "mask", func(t *policy.Team) { t.Degrade = shedding().Degrade })}, doing{"mask": mask})
	step := ladder.P0
	b.engine.opts.Step = func() ladder.Step { return step }
	b.send(busyAt(0, 1))
	step = ladder.P1
	b.send(busyAt(10, 2))
	if !slices.Equal(g.opened[0].sizes, []int{1}) || b.by(ledger.Shed) != 1 {
		t.Errorf("batches of %v, %d given up", g.opened[0].sizes, b.by(ledger.Shed))
	}
	b.balanced()
}

// A sample that a step holds while the generation changes goes through the transform
// that is in force when it is let go: the other one is closed.
func TestHeldSamplesGoThroughTheTransformInForce(t *testing.T) {
	team := func(plugins string) *policy.Team {
		return through1("pass", plugins, func(t *policy.Team) {
			t.Control = map[string]policy.Control{"thin": {Ordered: ordered("*"), Tier: "tenant", Action: "thin", Every: "10s", Pick: "last"}}
		})
	}
	for to, want := range map[string]string{"other": "other", "": "pay"} {
		t.Run("to "+to, func(t *testing.T) {
			other := func(g *guest, b *Batch, r *abi.Record) { label(b, r, "job_name").Value = g.str(b, "other") }
			b, g := newTransit(t, setup{team: team("mask")}, doing{"mask": mask, "other": other})
			b.send(busyAt(0, 1), busyAt(10, 2))
			b.sink.written = nil
			b.engine.Apply(b.generation("r2", team(to)))
			b.now = b.now.Add(time.Minute)
			b.send()
			if !g.opened[0].closed {
				t.Error("the first is open")
			}
			if got := strings.Join(b.sink.written, "\n"); !strings.Contains(got, fmt.Sprintf(`job_name="%s", tm_id="tm-1", torrent_task_id="t-1"} 2 @%d`, want, at(10))) {
				t.Errorf("written: %s", got)
			}
			b.flush()
			b.balanced()
			if b.by(ledger.Held) != 0 || b.by(ledger.Out) != 2 {
				t.Errorf("%v", b.book.Sum().By)
			}
		})
	}
}

// Under a canary each task goes through the transform of the set that governs it.
func TestACanaryHasTransformsOfItsOwn(t *testing.T) {
	other := func(g *guest, b *Batch, r *abi.Record) { label(b, r, "job_name").Value = g.str(b, "other") }
	b, g := newTransit(t, setup{team: through1("pass", "mask")}, doing{"mask": mask, "other": other})
	base, canary := b.engine.gen.Load(), b.generation("r2", through1("quarantine", "other"))
	of := func(task int) string { return strings.Replace(busyAt(0, 1), "t-1", fmt.Sprint("t-", task), 1) }
	send := func() (masked, others int) {
		b.sink.written = nil
		for i := range 40 {
			b.send(of(i))
		}
		for _, l := range b.sink.written {
			if !strings.Contains(l, "stale") {
				masked += strings.Count(l, `"masked"`)
				others += strings.Count(l, `"other"`)
			}
		}
		return masked, others
	}
	half := func(share float64) Generation {
		return Generation{Program: base.Program, Revision: "r1", Canary: &Canary{Program: canary.Program, Revision: "r2", Share: program.ShareOfTasks(share)}}
	}
	if masked, others := send(); masked != 40 || others != 0 {
		t.Errorf("%d and %d without a canary", masked, others)
	}
	b.engine.Apply(half(0.5))
	masked, others := send()
	if masked+others != 40 || others < 10 || masked < 10 {
		t.Errorf("%d and %d under half a canary", masked, others)
	}
	first := g.opened[0]
	b.engine.Apply(half(0.9))
	if masked, others := send(); masked+others != 40 || others < 25 || first.closed || len(g.opened) != 2 {
		t.Errorf("%d and %d under most of a canary, %d opened", masked, others, len(g.opened))
	}
	b.engine.Apply(canary)
	if masked, others := send(); masked != 0 || others != 40 || !first.closed || g.opened[1].closed || len(g.opened) != 2 {
		t.Errorf("%d and %d after its promotion, %d opened", masked, others, len(g.opened))
	}
	b.flush()
	b.balanced()
	b.worker.Close()
	if !g.opened[1].closed {
		t.Error("a worker that closes leaves one open")
	}
}

// A rule that is on trial changes nothing: its plugin sees a share of the batches.
func TestATransformOnTrial(t *testing.T) {
	for share, want := range map[float64]int{1: 50, 0.3: 15} {
		team := through1("stop", "acting nothing")
		trial := team.Transform["t0"]
		trial.Shadow = share
		team.Transform["t0"] = trial
		b, g := newTransit(t, setup{team: team}, doing{"acting": acting, "nothing": nothing})
		for i := range 50 {
			b.send(busyAt(10*i, i%8), busyAt(10*i+1, 2), busyAt(10*i+2, 3))
		}
		b.flush()
		b.balanced()
		if len(b.sink.written) != 150 || b.by(ledger.Out) != 150 {
			t.Errorf("%d lines", len(b.sink.written))
		}
		var tried *guest
		for _, x := range g.opened {
			if x.name == "acting" {
				tried = x
			} else if len(x.sizes) != 50 {
				t.Errorf("%d batches after the trial", len(x.sizes))
			}
		}
		n := len(tried.sizes)
		if n < want/2 || n > 2*want || len(tried.trials) != n || !strings.HasSuffix(tried.marks[0], fmt.Sprint(" ", abi.DryRun)) {
			t.Fatalf("%d batches tried of 50 at %g, %d told, marks %v", n, share, len(tried.trials), tried.marks[0])
		}
		var sum Trial
		for _, x := range tried.trials {
			sum = Trial{sum.Rows + x.Rows, sum.Changed + x.Changed, sum.Dropped + x.Dropped, sum.Failed + x.Failed, sum.Made + x.Made}
		}
		if sum.Rows != 3*n || sum.Dropped < n || sum.Failed < n || share == 1 && sum != (Trial{150, 25, 56, 56, 6}) {
			t.Errorf("%+v of %d batches", sum, n)
		}
	}
}

// A series with more labels than a plugin is given fails alone.
func TestTooManyLabels(t *testing.T) {
	var own []string
	for i := range 70 {
		own = append(own, fmt.Sprintf(`"l%d":"v"`, i))
	}
	wide := rec(0, "wide", "gauge", `{"l":{`+strings.Join(own, ",")+`},"v":4}`)
	for onError, end := range map[string]ledger.Disposition{"quarantine": ledger.Quarantined, "drop": ledger.Dropped, "pass": ledger.Out} {
		b, g := newTransit(t, setup{team: through1(onError, "mask nothing")}, doing{"mask": mask, "nothing": nothing})
		b.send(busyAt(0, 1), wide, busyAt(10, 2))
		b.flush()
		b.balanced()
		if n := b.by(ledger.Out); b.by(end) == 0 || end != ledger.Out && n != 2 || end == ledger.Out && n != 3 {
			t.Errorf("%s: %v", onError, b.book.Sum().By)
		}
		if !slices.Equal(g.opened[0].sizes, []int{2}) {
			t.Errorf("batches of %v", g.opened[0].sizes)
		}
	}
	b, _ := newTransit(t, setup{team: through1("stop", "mask")}, doing{"mask": mask})
	if err := b.worker.Process(t.Context(), []Message{{Value: []byte(wide)}}); err == nil || !strings.Contains(err.Error(), "bad-batch") {
		t.Errorf("err = %v", err)
	}
}
