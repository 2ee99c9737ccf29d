package policy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/confine"
)

// Child compiles sets in a process of its own, which gets the files on its
// standard input and nothing else: no environment, no arguments of the user's.
// CUE has no way to stop an evaluation and no bound on its memory; a process has both.
type Child struct {
	// Command starts a program that calls [ServeChild] at once, usually this one:
	// its path and a hidden argument.
	Command []string

	// Limits of one compilation. Zero means the limits of DefaultLimits.
	Limits Limits
}

// Limits bound one compilation in a child process.
type Limits = confine.Limits

// DefaultLimits suit sets of up to 10,000 rules with a factor of four to spare.
var DefaultLimits = Limits{CPU: 10 * time.Second, Wall: 15 * time.Second, Memory: 1 << 30}

// A childRequest is what a child reads.
type childRequest struct {
	Work   judgement   `json:"work"`
	Config *configWork `json:"config,omitempty"` // in place of Work
	Limits Limits      `json:"limits"`
}

// A childAnswer is what a child writes: one for each team as soon as it is done, so
// that none is held longer than it takes, and a last one without Judged.
type childAnswer struct {
	Team   int     `json:"team,omitempty"` // index in Work.Packages
	Judged *judged `json:"judged,omitempty"`

	Found []diag.Diagnostic `json:"found,omitempty"`
	Fault string            `json:"fault,omitempty"`

	Config *configOutcome `json:"config,omitempty"`
}

// Bounds of what a child may answer, and of what it may say beside that.
const (
	maxAnswer = 256 << 20
	maxTold   = 4 << 10
)

// judge has a child do what judgeHere does, within limits. Work that meets them
// gets one diagnostic that says so, and no outcomes. The error says that the child
// cannot be run, or that ctx has ended.
func (c *Child) judge(ctx context.Context, work judgement) ([]teamOutcome, []diag.Diagnostic, error) {
	if len(c.Command) == 0 {
		return nil, nil, errors.New("compile policy set: no command for the child process")
	}
	limits := cmp.Or(c.Limits, DefaultLimits)
	request, err := json.Marshal(childRequest{Work: work, Limits: limits})
	if err != nil {
		return nil, nil, fmt.Errorf("compile policy set: %w", err)
	}
	out, told := confine.Capped{Left: maxAnswer}, &progress{other: confine.Capped{Left: maxTold}}
	err = (&confine.Work{Command: c.Command, Limits: limits, In: request, Out: &out, Told: told}).Run(ctx)
	if met := (*confine.MetError)(nil); errors.As(err, &met) {
		return nil, tooExpensive(met.What, met.Limit, work.busy(told)), nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("compile policy set: %w", err)
	}
	return readAnswer(out.Bytes(), work)
}

func readAnswer(text []byte, work judgement) ([]teamOutcome, []diag.Diagnostic, error) {
	wrong := func(what string, args ...any) ([]teamOutcome, []diag.Diagnostic, error) {
		return nil, nil, fmt.Errorf("compile policy set: answer of the child process: "+what, args...)
	}
	out := make([]teamOutcome, len(work.Packages))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var a childAnswer
	for {
		a = childAnswer{}
		if err := d.Decode(&a); err != nil {
			return wrong("%w", err)
		}
		if a.Judged == nil {
			break
		}
		if a.Team < 0 || a.Team >= len(out) || out[a.Team].judged != nil {
			return wrong("team %d of %d", a.Team, len(out))
		}
		out[a.Team] = outcome(a.Judged, work.Packages[a.Team], work.Snapshot)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return wrong("it goes on behind its end")
	}
	if a.Fault != "" {
		return nil, nil, errors.New(a.Fault)
	}
	if slices.ContainsFunc(out, func(t teamOutcome) bool { return t.judged == nil }) {
		return wrong("it lacks a team")
	}
	return out, a.Found, nil
}

// tooExpensive says that evaluation met a limit, and which teams were in work: with
// one of them, it is at fault.
func tooExpensive(what, limit string, teams []teamPackage) []diag.Diagnostic {
	d := diag.Diagnostic{
		Code:    diag.TooExpensive,
		Message: fmt.Sprintf("the set takes more %s to evaluate than it may: %s", what, limit),
		Hint:    "look for lists, texts or comprehensions that grow without bound",
	}
	if len(teams) == 1 {
		d.Pos.File = lastFile(teams[0])
	}
	if len(teams) > 0 && teams[0].Team != "" {
		var names []string
		for _, t := range teams {
			names = append(names, t.Dir)
		}
		d.Message += ", met in " + strings.Join(names, " or ")
	}
	return []diag.Diagnostic{d}
}

// A child reports on its standard error which team it begins and which it has done,
// since nothing else is left of it when it meets a limit: "begin 3", "done 3".
const (
	beginTeam = "begin "
	doneTeam  = "done "
)

// progress is the parent's end of it; what a child says otherwise is kept apart.
type progress struct {
	other confine.Capped
	rest  []byte // a line that has not ended
	busy  []int  // teams begun and not done
}

func (p *progress) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, rest, ended := bytes.Cut(p.rest, []byte{'\n'})
		if !ended && len(p.rest) < maxTold {
			return len(b), nil
		}
		p.rest = rest
		begun, isBegin := bytes.CutPrefix(line, []byte(beginTeam))
		done, isDone := bytes.CutPrefix(line, []byte(doneTeam))
		if i, err := strconv.Atoi(string(begun)); isBegin && err == nil {
			p.busy = append(p.busy, i)
		} else if i, err := strconv.Atoi(string(done)); isDone && err == nil {
			p.busy = slices.DeleteFunc(p.busy, func(b int) bool { return b == i })
		} else if _, err := p.other.Write(append(slices.Clone(line), '\n')); err != nil {
			return 0, err
		}
	}
}

// String is all that is no progress.
func (p *progress) String() string { return p.other.String() + string(p.rest) }

// busy returns the teams that a child had begun and not done, in order.
func (j *judgement) busy(told *progress) (teams []teamPackage) {
	for i, pkg := range j.Packages {
		if slices.Contains(told.busy, i) {
			teams = append(teams, pkg)
		}
	}
	return teams
}

// ServeChild is the other side of [Child]: it reads one request from in, bounds
// this process by its limits, evaluates, says on told how far it is, and writes the
// answer to out. A process that calls it does nothing else, before or after. The
// error says that in or out failed.
func ServeChild(in io.Reader, out, told io.Writer) error {
	var r childRequest
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	stop, err := confine.Bound(r.Limits)
	if err != nil {
		return err
	}
	defer stop()
	answers := &answers{to: json.NewEncoder(out), told: told}
	last := answers.here(&r)
	answers.write(last)
	if answers.failed != nil {
		return fmt.Errorf("write answer: %w", answers.failed)
	}
	return nil
}

// answers is the end of the child where they are written, by several goroutines.
type answers struct {
	mu     sync.Mutex
	to     *json.Encoder
	told   io.Writer
	failed error
}

func (w *answers) write(a childAnswer) {
	if err := w.to.Encode(a); w.failed == nil {
		w.failed = err
	}
}

// here evaluates in this process, writes what becomes of each team, and returns the
// last answer.
func (w *answers) here(r *childRequest) (last childAnswer) {
	if r.Config != nil {
		out := checkConfig(*r.Config)
		last.Config = &out
		return last
	}
	_, found, err := judgeHere(context.Background(), r.Work, func(team int, done *teamOutcome) {
		w.mu.Lock()
		defer w.mu.Unlock()
		word := beginTeam
		if done != nil {
			word = doneTeam
			w.write(childAnswer{Team: team, Judged: done.judged})
			*done = teamOutcome{} // the parent has it, and finds again where it is written
		}
		fmt.Fprintf(w.told, "%s%d\n", word, team) // a parent that is gone needs no word
	})
	if last.Found = found; err != nil {
		last.Fault = err.Error()
	}
	return last
}
