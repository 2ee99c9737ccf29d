// Package fleet lets many Flink jobs report that do not exist: it replays what
// real jobs said, recorded with Sluice's reporter, under as many task ids as it is
// asked for. Each copy has a job id of its own and stands at another moment of the
// recording; when it is through, its metrics end and it is submitted again. It
// knows nothing of Kafka, policies or what becomes of its records.
package fleet

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Files of a recording.
const (
	recordsFile = "records.jsonl.gz"
	runFile     = "run.json"
)

// quietPhase is the phase of a recording in which its jobs wait for nothing to do.
const quietPhase = "rest"

// tape is what one task reported, in order.
type tape struct {
	task    string
	job     bool // it is about a job, not about processes
	reports []report
	length  time.Duration
	cutter  *cutter
}

// report is what a task said at one time.
type report struct {
	at    time.Duration // since the start of the tape
	lines []line
}

// line is a record. It is cut where copies differ, when one first says it.
type line struct {
	custom bool   // its topic is that of the jobs' own metrics
	tail   string // of the key, behind the task
	value  []byte
	parts  []part // nil: not cut yet
}

// part is a piece of a record: literal text, or what a copy puts in its place.
type part struct {
	kind partKind
	text []byte // literal, or the id as recorded
	ms   int64  // a time, Unix milliseconds
}

type partKind uint8

const (
	literalPart partKind = iota
	taskPart             // torrent_task_id
	idPart               // of a job or of a reporter
	timePart
)

// run is what run.json says.
type run struct {
	Start  int64 `json:"start"` // Unix milliseconds, as all times
	End    int64 `json:"end"`
	Phases []struct {
		Name  string `json:"name"`
		Start int64  `json:"start"`
		End   int64  `json:"end"`
	} `json:"phases"`
}

// load reads a recording: a tape for each task, by name, up to its quiet phase.
func load(fsys fs.FS) ([]*tape, int64, error) {
	var r run
	text, err := fs.ReadFile(fsys, runFile)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("recording: %s: %w", runFile, err)
	}
	end := r.End
	for _, p := range r.Phases {
		if p.Name == quietPhase {
			end = p.Start
		}
	}
	entries, err := Records(fsys)
	if err != nil {
		return nil, 0, fmt.Errorf("recording: %s: %w", recordsFile, err)
	}
	tapes := map[string]*tape{}
	c := newCutter(entries, r)
	for i := range entries {
		if err := c.add(tapes, &entries[i], end); err != nil {
			return nil, 0, fmt.Errorf("recording: %s: line %d: %w", recordsFile, i+1, err)
		}
	}
	if len(tapes) == 0 {
		return nil, 0, errors.New("recording: it holds no report")
	}
	return finish(tapes, end-r.Start, c), r.Start, nil
}

// maxLine bounds a line of a recording: a record is 1 MiB at most.
const maxLine = 2 << 20

// Record is a record of a recording, as it was written to Kafka.
type Record struct {
	Topic string
	Key   string
	Value []byte
}

// Records reads all records of a recording, in the order in which they were written.
func Records(fsys fs.FS) ([]Record, error) {
	f, err := fsys.Open(recordsFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, maxLine)
	var out []Record
	for lines.Scan() {
		r, err := parseLine(bytes.Clone(lines.Bytes()))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(out)+1, err)
		}
		out = append(out, r)
	}
	return out, lines.Err()
}

// valueField stands before the record in a line, which it ends.
var valueField = []byte(`,"value":{`)

// parseLine reads a line without a look into the record, of which there are 50 MB.
func parseLine(b []byte) (Record, error) {
	head, rest, found := bytes.Cut(b, valueField)
	if !found || !bytes.HasSuffix(rest, []byte("}}")) {
		return Record{}, errors.New("it is no object that ends with a value")
	}
	var r Record
	if err := json.Unmarshal(append(slices.Clip(head), '}'), &r); err != nil {
		return Record{}, err
	}
	r.Value = b[len(head)+len(valueField)-1 : len(b)-1]
	return r, nil
}

// cutter cuts records where copies differ.
type cutter struct {
	run run
	ids map[string]bool // of jobs and reporters
}

// idFields stand before an id, which a quote ends.
var idFields = [][]byte{[]byte(`"job_id":"`), []byte(`"rid":"`)}

func newCutter(entries []Record, r run) *cutter {
	c := &cutter{run: r, ids: map[string]bool{}}
	for i := range entries {
		for _, field := range idFields {
			if _, rest, found := bytes.Cut(entries[i].Value, field); found {
				id, _, _ := bytes.Cut(rest, []byte(`"`))
				if len(id) > 0 {
					c.ids[string(id)] = true
				}
			}
		}
	}
	return c
}

// about is how far from the recording a number of 13 digits may lie and still be
// a time of it.
const about = int64(24 * time.Hour / time.Millisecond)

// stampField stands before the time of a record.
var stampField = []byte(`"report_timestamp":`)

// add puts a record on the tape of its task, if it is of a report before end.
func (c *cutter) add(tapes map[string]*tape, e *Record, end int64) error {
	task, tail, found := strings.Cut(e.Key, "\x00")
	_, rest, stamped := bytes.Cut(e.Value, stampField)
	if !found || !stamped {
		return errors.New("it has no key of task and metric, or no report_timestamp")
	}
	at, err := strconv.ParseInt(string(rest[:wordEnd(rest, 0)]), 10, 64)
	if err != nil || at >= end {
		return err
	}
	t := tapes[task]
	if t == nil {
		t = &tape{task: task}
		tapes[task] = t
	}
	t.job = t.job || bytes.Contains(e.Value, idFields[0])
	l := line{custom: strings.HasSuffix(e.Topic, "custom"), tail: tail, value: e.Value}
	t.put(time.Duration(at-c.run.Start)*time.Millisecond, l)
	return nil
}

// put adds a line to the report of a time. Lines of a report come together, more
// or less: topics and partitions follow each other.
func (t *tape) put(at time.Duration, l line) {
	i, found := slices.BinarySearchFunc(t.reports, at, func(r report, at time.Duration) int { return cmp.Compare(r.at, at) })
	if !found {
		t.reports = slices.Insert(t.reports, i, report{at: at})
	}
	t.reports[i].lines = append(t.reports[i].lines, l)
}

// cut finds the task, ids and times in a record.
func (c *cutter) cut(task string, value []byte) []part {
	var parts []part
	literal := func(text []byte) {
		for {
			i := bytes.Index(text, []byte(task))
			if i < 0 {
				break
			}
			parts = append(parts, part{text: text[:i]}, part{kind: taskPart})
			text = text[i+len(task):]
		}
		parts = append(parts, part{text: text})
	}
	from := 0
	for i := 0; i < len(value); {
		end := wordEnd(value, i)
		if end == i {
			i++
			continue
		}
		word := value[i:end]
		p := part{kind: idPart, text: word}
		if c.ids[string(word)] || c.time(word, &p) {
			literal(value[from:i])
			parts, from = append(parts, p), end
		}
		i = end
	}
	literal(value[from:])
	return parts
}

// wordEnd returns the end of the letters and digits that begin at b[i].
func wordEnd(b []byte, i int) int {
	for i < len(b) && (b[i] >= '0' && b[i] <= '9' || b[i] >= 'a' && b[i] <= 'z' || b[i] >= 'A' && b[i] <= 'Z' || b[i] == '_') {
		i++
	}
	return i
}

// timeDigits is how many digits a time in Unix milliseconds has, from 2001 to 2286.
const timeDigits = 13

// time reports whether a word is a time of the recording, which p then is.
func (c *cutter) time(word []byte, p *part) bool {
	if len(word) != timeDigits {
		return false
	}
	ms, err := strconv.ParseInt(string(word), 10, 64)
	if err != nil || ms < c.run.Start-about || ms > c.run.End+about {
		return false
	}
	*p = part{kind: timePart, ms: ms}
	return true
}

// finish orders the tapes by task.
func finish(tapes map[string]*tape, ms int64, c *cutter) []*tape {
	out := make([]*tape, 0, len(tapes))
	for _, task := range slices.Sorted(maps.Keys(tapes)) {
		t := tapes[task]
		t.length, t.cutter = time.Duration(ms)*time.Millisecond, c
		out = append(out, t)
	}
	return out
}
