package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
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
type Limits struct {
	CPU    time.Duration `json:"cpu"`    // whole seconds; on Linux and macOS
	Wall   time.Duration `json:"wall"`   // from start to end
	Memory int64         `json:"memory"` // bytes held by the Go runtime
}

// DefaultLimits suit sets of up to 10,000 rules with a factor of four to spare.
var DefaultLimits = Limits{CPU: 10 * time.Second, Wall: 15 * time.Second, Memory: 1 << 30}

func (l Limits) orDefault() Limits {
	if l == (Limits{}) {
		return DefaultLimits
	}
	return l
}

// A childRequest is what a child reads.
type childRequest struct {
	Work   judgement `json:"work"`
	Limits Limits    `json:"limits"`
}

// A childAnswer is what a child writes.
type childAnswer struct {
	Teams []*judged         `json:"teams"`
	Found []diag.Diagnostic `json:"found,omitempty"`
	Fault string            `json:"fault,omitempty"`
}

// Exit codes of a child that met its limits.
const (
	exitMemory = 70
	exitCPU    = 71
)

// maxAnswer bounds what a child may answer.
const maxAnswer = 256 << 20

// judge has a child do what judgeHere does, within limits. Work that meets them
// gets one diagnostic that says so, and no outcomes. The error says that the child
// cannot be run, or that ctx has ended.
func (c *Child) judge(ctx context.Context, work judgement) ([]teamOutcome, []diag.Diagnostic, error) {
	if len(c.Command) == 0 {
		return nil, nil, errors.New("compile policy set: no command for the child process")
	}
	limits := c.Limits.orDefault()
	request, err := json.Marshal(childRequest{work, limits})
	if err != nil {
		return nil, nil, fmt.Errorf("compile policy set: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, limits.Wall)
	defer cancel()
	var out, trouble capped
	out.left, trouble.left = maxAnswer, 4<<10
	cmd := exec.CommandContext(bounded, c.Command[0], c.Command[1:]...)
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), &out, &trouble
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, nil, fmt.Errorf("compile policy set: %w", ctx.Err())
	case bounded.Err() != nil:
		return nil, tooExpensive("time", limits.Wall.String()), nil
	case err != nil:
		return childFailed(err, cmd, limits, trouble.String())
	}
	return readAnswer(out.Bytes(), work)
}

// childFailed explains a child that ended with an error.
func childFailed(err error, cmd *exec.Cmd, limits Limits, trouble string) ([]teamOutcome, []diag.Diagnostic, error) {
	if cmd.ProcessState != nil {
		switch code := cmd.ProcessState.ExitCode(); {
		case code == exitMemory, strings.Contains(trouble, "out of memory"):
			return nil, tooExpensive("memory", fmt.Sprintf("%d MiB", limits.Memory>>20)), nil
		case code == exitCPU, cmd.ProcessState.UserTime() >= limits.CPU:
			return nil, tooExpensive("processor time", limits.CPU.String()), nil
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(trouble), "\n")
	if first == "" {
		first = "no message"
	}
	return nil, nil, fmt.Errorf("compile policy set in a child process: %w: %s", err, first)
}

func readAnswer(text []byte, work judgement) ([]teamOutcome, []diag.Diagnostic, error) {
	var a childAnswer
	if err := unmarshalStrict(text, &a); err != nil {
		return nil, nil, fmt.Errorf("compile policy set: answer of the child process: %w", err)
	}
	if a.Fault != "" {
		return nil, nil, errors.New(a.Fault)
	}
	if len(a.Teams) != len(work.Packages) {
		return nil, nil, fmt.Errorf("compile policy set: the child process answers for %d teams of %d", len(a.Teams), len(work.Packages))
	}
	out := make([]teamOutcome, len(a.Teams))
	for i, j := range a.Teams {
		if j == nil {
			return nil, nil, errors.New("compile policy set: the answer of the child process lacks a team")
		}
		out[i] = outcome(j, work.Packages[i], work.Snapshot)
	}
	return out, a.Found, nil
}

func tooExpensive(what, limit string) []diag.Diagnostic {
	return []diag.Diagnostic{{
		Code:    diag.TooExpensive,
		Message: fmt.Sprintf("the set takes more %s to evaluate than it may: %s", what, limit),
		Hint:    "look for lists, texts or comprehensions that grow without bound",
	}}
}

// ServeChild is the other side of [Child]: it reads one request from in, bounds
// this process by its limits, evaluates, and writes the answer to out. A process
// that calls it does nothing else, before or after. The error says that in or out
// failed.
func ServeChild(in io.Reader, out io.Writer) error {
	var r childRequest
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	stop, err := bound(r.Limits)
	if err != nil {
		return err
	}
	defer stop()
	var a childAnswer
	teams, found, err := judgeHere(context.Background(), r.Work)
	if err != nil {
		a.Fault = err.Error()
	}
	for _, t := range teams {
		a.Teams = append(a.Teams, t.judged)
	}
	a.Found = found
	if err := json.NewEncoder(out).Encode(a); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// capped keeps the first bytes that are written to it, up to left.
type capped struct {
	bytes.Buffer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	keep := p[:min(len(p), c.left)]
	c.left -= len(keep)
	c.Buffer.Write(keep)
	return len(p), nil
}
