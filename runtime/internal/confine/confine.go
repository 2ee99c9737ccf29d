// Package confine runs work that may take more than there is in a process of its
// own, within limits: what evaluates code of others often has no way to be stopped
// and no bound on its memory, and a process has both. It knows nothing of the work.
package confine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Limits bound one process.
type Limits struct {
	CPU    time.Duration `json:"cpu"`            // whole seconds; on Linux and macOS
	Wall   time.Duration `json:"wall"`           // from start to end
	Memory int64         `json:"memory"`         // bytes held by the Go runtime
	File   int64         `json:"file,omitempty"` // bytes of a file that it writes; 0: it writes none
}

// Exit codes of a process that met its limits.
const (
	exitMemory = 70
	exitCPU    = 71
)

// MetError says that the work took more than it may.
type MetError struct {
	What  string // time, memory or processor time
	Limit string // for people
}

func (e *MetError) Error() string {
	return fmt.Sprintf("it takes more %s than it may: %s", e.What, e.Limit)
}

// Work is what a process is started for.
type Work struct {
	Command []string // program and arguments; the program calls [Bound] with the same limits
	Limits  Limits
	In      []byte // its standard input; it gets nothing else, and no environment
	Out     io.Writer

	// Told takes its standard error; its text is what the process said when it failed.
	Told interface {
		io.Writer
		fmt.Stringer
	}
}

// Run runs the process to its end. Errors: *MetError, that of ctx when it has ended,
// or why the process could not be run or failed, with the first line of what it said.
func (w *Work) Run(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, w.Limits.Wall)
	defer cancel()
	cmd := exec.CommandContext(bounded, w.Command[0], w.Command[1:]...)
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(w.In), w.Out, w.Told
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		return &MetError{"time", w.Limits.Wall.String()}
	case err != nil:
		return w.failed(cmd, err)
	}
	return nil
}

func (w *Work) failed(cmd *exec.Cmd, err error) error {
	trouble := w.Told.String()
	if cmd.ProcessState != nil {
		switch code := cmd.ProcessState.ExitCode(); {
		case code == exitMemory, strings.Contains(trouble, "out of memory"):
			return &MetError{"memory", fmt.Sprintf("%d MiB", w.Limits.Memory>>20)}
		case code == exitCPU, cmd.ProcessState.UserTime() >= w.Limits.CPU:
			return &MetError{"processor time", w.Limits.CPU.String()}
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(trouble), "\n")
	if first == "" {
		first = "no message"
	}
	return fmt.Errorf("child process: %w: %s", err, first)
}

// Capped keeps the first bytes that are written to it, up to Left.
type Capped struct {
	bytes.Buffer
	Left int
}

// Write takes all and keeps what there is room for.
func (c *Capped) Write(p []byte) (int, error) {
	keep := p[:min(len(p), c.Left)]
	c.Left -= len(keep)
	c.Buffer.Write(keep)
	return len(p), nil
}
