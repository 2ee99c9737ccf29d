package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// Fixture says what a plugin makes of samples: an archive of text (txtar) with the
// files config.json, in.jsonl and what is expected of them: out.jsonl, failed.jsonl
// for samples that fail, or error for a batch or a config that does. What stands
// before the first file is a comment.
type Fixture struct {
	Name    string // of the file, without its extension
	Comment string
	Config  json.RawMessage // {} where there is no config.json
	In      []Sample
	Want    Outcome

	file string
}

// Outcome is what came of samples.
type Outcome struct {
	Out    []Sample // by the sample that they are or were made of
	Failed []Failure
	Error  string // of the whole: step, code and message, as "init: bad-config: why"; "": none

	why string // what is beside Error for people, and may be another in every engine
}

// Failure is a sample that was not transformed.
type Failure struct {
	Record int    `json:"record"` // its number, from 0
	Code   string `json:"code"`
	Reason string `json:"reason,omitempty"`
}

const extension = ".txtar"

// fixtureFiles are the files of an archive.
const (
	configFile = "config.json"
	inFile     = "in.jsonl"
	outFile    = "out.jsonl"
	failedFile = "failed.jsonl"
	errorFile  = "error"
)

// Fixtures reads those of the project, in the order of their names. Errors: ErrInput,
// for none as well, or one of the file system.
func (p *Project) Fixtures() ([]*Fixture, error) {
	dir := filepath.Join(p.Dir, Fixtures)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []*Fixture
	for _, e := range entries {
		if filepath.Ext(e.Name()) != extension {
			continue
		}
		name := filepath.Join(dir, e.Name())
		text, err := readFile(name, maxFixture)
		if err != nil {
			return nil, err
		}
		f, err := ParseFixture(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f.Name, f.file = strings.TrimSuffix(e.Name(), extension), name
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: there is no fixture, *%s, in %s", ErrInput, extension, dir)
	}
	return out, nil
}

// ParseFixture reads one. The error wraps ErrInput and names the file within it.
func ParseFixture(text []byte) (*Fixture, error) {
	archive := txtar.Parse(text)
	f := &Fixture{Comment: string(archive.Comment), Config: json.RawMessage("{}")}
	seen := map[string]bool{}
	for _, file := range archive.Files {
		if seen[file.Name] {
			return nil, fmt.Errorf("%w: %s is there twice", ErrInput, file.Name)
		}
		seen[file.Name] = true
		if err := f.read(file.Name, file.Data); err != nil {
			if !errors.Is(err, ErrInput) {
				err = fmt.Errorf("%w: %w", ErrInput, err)
			}
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	switch {
	case !seen[inFile] && !seen[errorFile]:
		return nil, fmt.Errorf("%w: there is no %s", ErrInput, inFile)
	case seen[errorFile] && (seen[outFile] || seen[failedFile]):
		return nil, fmt.Errorf("%w: with %s there is neither %s nor %s", ErrInput, errorFile, outFile, failedFile)
	}
	return f, nil
}

func (f *Fixture) read(name string, data []byte) (err error) {
	switch name {
	case configFile:
		if f.Config = bytes.TrimSpace(data); !json.Valid(f.Config) {
			return errors.New("it is no JSON")
		}
	case inFile:
		f.In, err = readSamples(bytes.NewReader(data))
	case outFile:
		f.Want.Out, err = readSamples(bytes.NewReader(data))
	case failedFile:
		err = eachLine(bytes.NewReader(data), func(line []byte) error {
			var x Failure
			err := decodeStrict(line, &x)
			f.Want.Failed = append(f.Want.Failed, x)
			return err
		})
	case errorFile:
		if f.Want.Error = strings.TrimSpace(string(data)); f.Want.Error == "" {
			return errors.New("it is empty; write step and code, such as init: bad-config")
		}
	default:
		return fmt.Errorf("no file of a fixture has this name; write %s, %s, %s, %s or %s", configFile, inFile, outFile, failedFile, errorFile)
	}
	return err
}

// write puts a fixture into its file.
func (f *Fixture) write() error {
	archive := &txtar.Archive{Comment: []byte(f.Comment)}
	add := func(name, text string) {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
	}
	if string(f.Config) != "{}" {
		add(configFile, string(f.Config)+"\n")
	}
	add(inFile, lines(f.In))
	switch w := &f.Want; {
	case w.Error != "":
		add(errorFile, w.Error+"\n")
	default:
		add(outFile, lines(w.Out))
		if len(w.Failed) > 0 {
			add(failedFile, lines(w.Failed))
		}
	}
	return os.WriteFile(f.file, txtar.Format(archive), 0o644)
}

// lines writes values as JSON, one a line.
func lines[T any](values []T) string {
	var b strings.Builder
	for i := range values {
		text, err := json.Marshal(&values[i])
		if err != nil {
			panic(err) // they were read from JSON, or made of numbers and texts
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}

// same compares what was expected with what came. It says the first difference, ""
// for none.
func (o *Outcome) same(got *Outcome) string {
	if o.Error != "" || got.Error != "" {
		if got.Error == o.Error || o.Error != "" && strings.HasPrefix(got.Error, o.Error+":") {
			return ""
		}
		is := orNone(got.Error)
		if got.why != "" {
			is += ": " + got.why
		}
		return fmt.Sprintf("error\n  want %s\n  got  %s", orNone(o.Error), is)
	}
	if d := firstDifference("failed sample", o.Failed, got.Failed); d != "" {
		return d
	}
	return firstDifference("sample", o.Out, got.Out)
}

func firstDifference[T any](what string, want, got []T) string {
	text := func(list []T, i int) string {
		if i >= len(list) {
			return orNone("")
		}
		return strings.TrimSuffix(lines(list[i:i+1]), "\n")
	}
	for i := range max(len(want), len(got)) {
		if w, g := text(want, i), text(got, i); w != g {
			return fmt.Sprintf("%s %d of what comes out\n  want %s\n  got  %s", what, i, w, g)
		}
	}
	return ""
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// times repeats a fixture's samples and what is expected of them, so that there are
// several batches of them: what becomes of a sample does not depend on the others.
func (f *Fixture) times(n int) *Fixture {
	out := *f
	out.In = slices.Repeat(f.In, n)
	out.Want.Out = slices.Repeat(f.Want.Out, n)
	out.Want.Failed = nil
	for i := range n {
		for _, x := range f.Want.Failed {
			x.Record += i * len(f.In)
			out.Want.Failed = append(out.Want.Failed, x)
		}
	}
	return &out
}

// stable reports whether the message of a code is the plugin's own words, and so the
// same in every engine.
func stable(c abi.Code) bool { return c <= abi.Internal }
