//go:build ignore

// Command e2e builds sluice and runs its demo end to end: embedded broker,
// recorded fleet, default policies, sinks. It checks the figures that the demo
// prints at its end, once for an undisturbed run and once for a run on the data
// directory of one that was killed. What the figures cannot show, such as single
// samples lost before they were counted, it does not claim: go run .ci/e2e.go
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// result is the object that demo --json prints at its end. Pointers tell a zero
// from a field that is not there.
type result struct {
	RecordsIn       *int64           `json:"records_in"`
	SamplesIn       *int64           `json:"samples_in"`
	SamplesOut      *int64           `json:"samples_out"`
	SeriesIn        *int64           `json:"series_in"`
	SeriesOut       *int64           `json:"series_out"`
	DroppedByRule   map[string]int64 `json:"dropped_by_rule"`
	DeadLetters     *int64           `json:"dead_letters"`
	LedgerImbalance *int64           `json:"ledger_imbalance"`
	EventLag        *float64         `json:"event_lag_seconds_p99"`
}

// killAfter is long enough for the start and several commits; a machine that has written
// nothing by then has longer.
const (
	killAfter = 8 * time.Second
	patience  = 3 * time.Minute
)

// anyPort lets two runs on one machine not meet.
const anyPort = "127.0.0.1:0"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "sluice-e2e-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, data := filepath.Join(dir, "sluice"), filepath.Join(dir, "data")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	if err := demo("undisturbed", binary); err != nil {
		return err
	}
	if err := kill(binary, data); err != nil {
		return err
	}
	return demo("after kill -9", binary, "--data-dir", data)
}

// demo runs the demo for 15 s and checks its figures.
func demo(name, binary string, args ...string) error {
	began := time.Now()
	var out, log bytes.Buffer
	cmd := exec.Command(binary, append([]string{"demo", "--for", "15s", "--json", "--listen", anyPort}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: demo: %w\n%s%s", name, err, out.Bytes(), log.Bytes())
	}
	r, err := last(out.Bytes())
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w in the output of demo:\n%s%s", name, err, out.Bytes(), log.Bytes())
	}
	fmt.Printf("%s, %.1f s: %d records, %d samples in, %d out, %d series in, %d out, %d rules dropped, event lag p99 %.3f s, imbalance 0\n",
		name, time.Since(began).Seconds(), *r.RecordsIn, *r.SamplesIn, *r.SamplesOut, *r.SeriesIn, *r.SeriesOut, len(r.DroppedByRule), *r.EventLag)
	return nil
}

// kill starts a demo on data and ends it as a crash would.
func kill(binary, data string) error {
	var log bytes.Buffer
	cmd := exec.Command(binary, "demo", "--for", "1h", "--listen", anyPort, "--data-dir", data)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	began := time.Now()
	for size := int64(0); size == 0 && time.Since(began) < patience; size = written(data) {
		select {
		case err := <-ended:
			return fmt.Errorf("demo to be killed: it ended by itself (%v)\n%s", err, log.Bytes())
		case <-time.After(killAfter):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	<-ended
	size := written(data)
	if size == 0 {
		return fmt.Errorf("nothing was written before the kill, after %s\n%s", patience, log.Bytes())
	}
	fmt.Printf("killed after %s with %d MiB of data\n", time.Since(began).Round(time.Second), size>>20)
	return nil
}

// written is how many bytes there are in the files below a directory. What has just gone,
// or is not there yet, has none.
func written(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}

// last decodes the JSON object that ends the output; its first line begins with a brace.
func last(out []byte) (r result, err error) {
	at := bytes.LastIndex(out, []byte("\n{")) + 1
	dec := json.NewDecoder(bytes.NewReader(out[at:]))
	if err := dec.Decode(&r); err != nil {
		return r, fmt.Errorf("final object: %w", err)
	}
	return r, nil
}

func (r result) check() error {
	var faults []error
	expect := func(name string, v *int64, ok func(int64) bool, want string) {
		if v == nil {
			faults = append(faults, fmt.Errorf("%s is missing", name))
		} else if !ok(*v) {
			faults = append(faults, fmt.Errorf("%s is %d, want %s", name, *v, want))
		}
	}
	zero := func(v int64) bool { return v == 0 }
	some := func(v int64) bool { return v > 0 }
	expect("records_in", r.RecordsIn, some, "some")
	expect("samples_in", r.SamplesIn, some, "some")
	expect("samples_out", r.SamplesOut, some, "some")
	expect("series_in", r.SeriesIn, some, "some")
	expect("series_out", r.SeriesOut, some, "some")
	expect("dead_letters", r.DeadLetters, zero, "0")
	expect("ledger_imbalance", r.LedgerImbalance, zero, "0")
	if len(r.DroppedByRule) == 0 {
		faults = append(faults, errors.New("dropped_by_rule is empty: the default policies drop deprecated duplicates"))
	}
	if r.EventLag == nil || *r.EventLag < 0 {
		faults = append(faults, errors.New("event_lag_seconds_p99 is missing or negative"))
	}
	return errors.Join(faults...)
}
