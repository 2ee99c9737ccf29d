package runtime

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/doctor"
	"github.com/sluice-metrics/sluice/runtime/internal/host"
)

// HealthCheck is one thing that was looked at.
type HealthCheck = doctor.Check

// The outcomes and areas of checks; see package doctor.
const (
	CheckOK   = doctor.OK
	CheckWarn = doctor.Warn
	CheckFail = doctor.Fail
	CheckSkip = doctor.Skip

	AreaSluice  = doctor.AreaSluice
	AreaMachine = doctor.AreaMachine
	AreaKafka   = doctor.AreaKafka
	AreaSinks   = doctor.AreaSinks
)

const (
	doctorTime = 20 * time.Second // that all checks may take
	loadTime   = 10 * time.Second // of that, to load the policies
)

// examination is one of doctor's. r is nil where there is no policy set, or it cannot run.
type examination struct {
	cfg     Config
	r       *Runtime
	report  Report
	err     error
	unknown doctor.Check // what there is to tell when nobody knows the set
	unread  error        // why the control topic, which has it, cannot be read
	pushed  string       // which one of the control topic it is
}

// Doctor looks at what an instance of this configuration needs: its policies and
// what it keeps, the machine, the brokers with topics, groups and rights, and the
// receivers of its sinks. Nothing of what it does stays. It takes at most 20
// seconds; what takes longer has failed.
func Doctor(ctx context.Context, cfg Config, opts Options) []HealthCheck {
	return examine(ctx, cfg, opts, doctor.Probes{
		Space: host.MeasureSpace, Sync: (*os.File).Sync, Files: host.OpenFiles,
		Memory: func() float64 { return memoryLimit(debug.SetMemoryLimit(-1), os.DirFS("/")) },
	})
}

func examine(ctx context.Context, cfg Config, opts Options, p doctor.Probes) []HealthCheck {
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	d := &examination{cfg: cfg}
	here := cfg
	here.DataDir = "" // an instance notes there what it is about to run
	load, loaded := context.WithTimeout(ctx, loadTime)
	d.r, d.report, d.err = New(load, here, opts)
	loaded()
	if d.r != nil && cfg.Policies == sourceTopic {
		d.takePushed(ctx)
	}

	machine := doctor.Machine{DataDir: cfg.DataDir, Probes: p}
	return doctor.Examine(ctx, doctorTime, []doctor.Area{
		{Name: AreaSluice, Look: d.lookAtSluice}, {Name: AreaMachine, Look: machine.Look},
		{Name: AreaKafka, Look: d.lookAtKafka}, {Name: AreaSinks, Look: d.lookAtSinks},
	})
}

// lookAtSluice checks the policies and what an instance has kept.
func (d *examination) lookAtSluice(_ context.Context, f *doctor.Findings) {
	const name = "policies"
	switch n := len(d.report.Findings); {
	case d.unknown.Outcome != "":
		f.Add(d.unknown.Outcome, name, d.unknown.Do, "%s", d.unknown.Seen)
	case d.err != nil && d.pushed != "":
		f.Fail(name, "push a set that runs, or go back to one that did: sluice rollback", "%v", d.err)
	case d.err != nil:
		f.Fail(name, "mend what the message names", "%v", d.err)
	case d.r == nil:
		f.Fail(name, "run sluice check on the set", "refused, %s", diag.Number(n, "finding"))
	case n > 0:
		f.Warn(name, "run sluice check on the set", "%sright, with %s", d.pushed, diag.Number(n, "finding"))
	default:
		f.OK(name, "%sright, nothing found", d.pushed)
	}
	if d.r != nil {
		f.Expiring(&d.r.opened().bundle.Set, time.Now())
	}
	if d.cfg.DataDir != "" {
		d.kept(f)
		f.Stored(d.cfg.DataDir)
	}
}

// kept tells of the policy set that a start with a wrong one falls back on.
func (d *examination) kept(f *doctor.Findings) {
	const name = "last good policies"
	quiet := slog.New(slog.DiscardHandler)
	k := newKeeper(d.cfg.DataDir, Loading{plugins: keptPlugins(d.cfg.DataDir, d.cfg.Plugins, quiet)}, quiet)
	good := k.load()
	_, err := os.Stat(k.goodFile())
	trial := k.trial()
	switch {
	case good == nil && err == nil:
		f.Warn(name, "they are written anew when policies pass their probation", "%s cannot be used by this version", k.goodFile())
	case good == nil:
		f.OK(name, "none yet: policies are kept once they have passed their probation")
	case trial != "":
		f.Warn(name, "without an instance running here: it ended during a probation, and the next start falls back; reload to try again",
			"revision %.12s; %.12s is on probation", good.bundle.Digest, trial)
	default:
		f.OK(name, "revision %.12s", good.bundle.Digest)
	}
}
